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
    bundles // map: folders of bundles for receptors and states, [] for the packaged defaults

    main:
    TCELLFLOW_PREPROCESS(samples)
    def chains = TCELLFLOW_PREPROCESS.out.chains
    def cells = TCELLFLOW_PREPROCESS.out.cells

    // Joined with the samples again to know what a sample has: a join that waits for what may never
    // come would hold every sample back until the last one is done.
    def receptors = channel.empty()
    def vectors = channel.empty()
    def embed_files = channel.empty()
    if ('embed-tcr' in steps) {
        def alone = chains.join(samples).filter { _meta, _table, gex, _tcr, _adt -> !gex }.map { meta, table, _gex, _tcr, _adt -> [meta, table, []] }
        TCELLFLOW_EMBEDTCR(chains.join(cells).mix(alone), bundles.receptors)
        receptors = TCELLFLOW_EMBEDTCR.out.receptors
        vectors = receptors.join(TCELLFLOW_EMBEDTCR.out.embeddings)
        embed_files = receptors.mix(TCELLFLOW_EMBEDTCR.out.qc)
    }

    def predict_files = channel.empty()
    def calls = samples.filter { _meta, gex, _tcr, _adt -> gex }.map { meta, _gex, _tcr, _adt -> [meta, []] }
    if ('predict' in steps) {
        def masked = cells.join(samples)
            .filter { _meta, _file, _gex, tcr, _adt -> !tcr || !('embed-tcr' in steps) }
            .map { meta, file, _gex, _tcr, _adt -> [meta, file, [], []] }
        TCELLFLOW_PREDICT(cells.join(vectors).mix(masked), bundles.states)
        calls = TCELLFLOW_PREDICT.out.predictions
        predict_files = TCELLFLOW_PREDICT.out.predictions.mix(TCELLFLOW_PREDICT.out.clonotypes, TCELLFLOW_PREDICT.out.metrics)
    }

    if ('fuse' in steps) {
        TCELLFLOW_FUSE(cells, bundles.fusion)
    }
    if ('describe' in steps) {
        def none = samples.filter { _meta, gex, tcr, _adt -> gex && !tcr }.map { meta, _gex, _tcr, _adt -> [meta, []] }
        TCELLFLOW_DESCRIBE(cells.join(calls).join(chains.mix(none)))
    }

    // The number of files of each sample is known, so that what follows starts with the last of them.
    def sizes = samples.map { meta, gex, tcr, _adt -> [meta, countFiles(gex, tcr, steps)] }
    done = TCELLFLOW_PREPROCESS.out.qc
        .mix(chains, embed_files, predict_files)
        .combine(sizes, by: 0)
        .map { meta, file, size -> [groupKey(meta, size), file] }
        .groupTuple()
        .map { key, found -> [key.getGroupTarget(), found.sort { file -> file.name }] }
    sections = channel.empty()
    if ('report' in steps) {
        TCELLFLOW_REPORT(done)
        done = TCELLFLOW_REPORT.out.html
        sections = TCELLFLOW_REPORT.out.multiqc
    }

    emit:
    done // channel of [meta, files] of the samples that went through all their steps
    sections // channel of [meta, MultiQC section]
}

// qc; chains; receptors and embed.json; predictions, clonotypes and metrics
def countFiles(gex, tcr, steps) {
    return 1 + (tcr ? 1 : 0) + (tcr && 'embed-tcr' in steps ? 2 : 0) + (gex && 'predict' in steps ? 3 : 0)
}
