// Samples through the steps: one channel item per sample, each step only where its input is there.
include { TCELLFLOW_PREPROCESS } from '../modules/local/tcellflow/preprocess/main'
include { TCELLFLOW_EMBEDTCR } from '../modules/local/tcellflow/embedtcr/main'
include { TCELLFLOW_PREDICT } from '../modules/local/tcellflow/predict/main'
include { TCELLFLOW_FUSE } from '../modules/local/tcellflow/fuse/main'
include { TCELLFLOW_DESCRIBE } from '../modules/local/tcellflow/describe/main'
include { TCELLFLOW_REPORT } from '../modules/local/tcellflow/report/main'

workflow TCELLFLOW {
    take:
    samples // channel of [meta, gex, tcr, adt]; what a sample lacks is []
    steps // list: those of embed-tcr, predict, fuse, describe and report that run
    with_neighbours // whether embed-tcr was asked for the nearest receptors
    bundles // map: folders of bundles for receptors and states, [] for the packaged defaults

    main:
    TCELLFLOW_PREPROCESS(samples)
    def chains = TCELLFLOW_PREPROCESS.out.chains
    def cells = TCELLFLOW_PREPROCESS.out.cells

    // Joined with the samples again to know what a sample has: a join that waits for what may never
    // come would hold every sample back until the last one is done.
    def receptors = channel.empty()
    def vectors = channel.empty()
    def embed_files = channel.empty() // of each sample a list
    if ('embed-tcr' in steps) {
        def alone = chains.join(samples).filter { _meta, _table, gex, _tcr, _adt -> !gex }.map { meta, table, _gex, _tcr, _adt -> [meta, table, []] }
        TCELLFLOW_EMBEDTCR(chains.join(cells).mix(alone), bundles.receptors)
        receptors = TCELLFLOW_EMBEDTCR.out.receptors
        vectors = receptors.join(TCELLFLOW_EMBEDTCR.out.embeddings)
        embed_files = receptors.join(TCELLFLOW_EMBEDTCR.out.qc).map { meta, table, account -> [meta, [table, account]] }
        if (with_neighbours) {
            embed_files = embed_files.join(TCELLFLOW_EMBEDTCR.out.neighbours).map { meta, files, nearest -> [meta, files + [nearest]] }
        }
    }

    def fuse_files = channel.empty()
    if ('fuse' in steps) {
        TCELLFLOW_FUSE(cells, bundles.fusion)
        fuse_files = TCELLFLOW_FUSE.out.fused.join(TCELLFLOW_FUSE.out.qc).map { meta, table, account -> [meta, [table, account]] }
    }

    def predict_files = channel.empty()
    def figures = channel.empty()
    def calls = samples.filter { _meta, gex, _tcr, _adt -> gex }.map { meta, _gex, _tcr, _adt -> [meta, []] }
    def programmes = calls
    if ('predict' in steps) {
        def masked = cells.join(samples)
            .filter { _meta, _file, _gex, tcr, _adt -> !tcr || !('embed-tcr' in steps) }
            .map { meta, file, _gex, _tcr, _adt -> [meta, file, [], []] }
        def called = cells.join(vectors).mix(masked)
        called = 'fuse' in steps ? called.join(TCELLFLOW_FUSE.out.fused) : called.map { item -> item + [[]] }
        TCELLFLOW_PREDICT(called, bundles.states)
        calls = TCELLFLOW_PREDICT.out.predictions
        programmes = TCELLFLOW_PREDICT.out.programmes
        figures = TCELLFLOW_PREDICT.out.metrics
        // Only --no-h5ad makes this wait for the last sample: then no annotated file ever comes.
        predict_files = calls.join(TCELLFLOW_PREDICT.out.clonotypes).join(figures)
            .join(TCELLFLOW_PREDICT.out.annotated, remainder: true)
            .map { meta, table, clones, metrics, annotated -> [meta, [table, clones, metrics] + (annotated ? [annotated] : [])] }
    }

    def describe_files = channel.empty()
    if ('describe' in steps) {
        def none = samples.filter { _meta, gex, tcr, _adt -> gex && !tcr }.map { meta, _gex, _tcr, _adt -> [meta, []] }
        TCELLFLOW_DESCRIBE(cells.join(calls).join(programmes).join(chains.mix(none)))
        describe_files = TCELLFLOW_DESCRIBE.out.descriptions.join(TCELLFLOW_DESCRIBE.out.claims).map { meta, texts, claims -> [meta, [texts, claims]] }
    }

    // The number of parts of each sample is known, so that what follows starts with the last of them.
    def sizes = samples.map { meta, gex, tcr, _adt -> [meta, countParts(gex, tcr, steps)] }
    done = TCELLFLOW_PREPROCESS.out.qc
        .mix(chains, embed_files, predict_files, fuse_files, describe_files)
        .combine(sizes, by: 0)
        .map { meta, found, size -> [groupKey(meta, size), found] }
        .groupTuple()
        .map { key, found -> [key.getGroupTarget(), found.flatten().sort { file -> file.name }] }
    sections = channel.empty()
    small = channel.empty()
    if ('report' in steps) {
        TCELLFLOW_REPORT(done)
        done = TCELLFLOW_REPORT.out.html
        small = figures.mix(TCELLFLOW_PREPROCESS.out.qc, chains)
        sections = TCELLFLOW_REPORT.out.multiqc.mix(TCELLFLOW_REPORT.out.multiqc_general, TCELLFLOW_REPORT.out.multiqc_states)
    }

    emit:
    done // channel of [meta, files] of the samples that went through all their steps
    sections // channel of [meta, MultiQC sections]
    small // channel of [meta, file]: metrics, qc and chains, for the cohort's page
}

// qc; chains; what embed-tcr wrote; what predict, fuse and describe wrote
def countParts(gex, tcr, steps) {
    return 1 + (tcr ? 1 : 0) + (tcr && 'embed-tcr' in steps ? 1 : 0) + (gex ? ['predict', 'fuse', 'describe'].count { step -> step in steps } : 0)
}
