// Every module with each shape of input it can meet; the samples' names say which.
include { TCELLFLOW_PREPROCESS } from '../../nextflow/modules/local/tcellflow/preprocess/main.nf'
include { TCELLFLOW_EMBEDTCR } from '../../nextflow/modules/local/tcellflow/embedtcr/main.nf'
include { TCELLFLOW_PREDICT } from '../../nextflow/modules/local/tcellflow/predict/main.nf'
include { TCELLFLOW_FUSE } from '../../nextflow/modules/local/tcellflow/fuse/main.nf'
include { TCELLFLOW_DESCRIBE } from '../../nextflow/modules/local/tcellflow/describe/main.nf'
include { TCELLFLOW_REPORT } from '../../nextflow/modules/local/tcellflow/report/main.nf'

workflow {
    def samples = file("${projectDir}/../../tcellflow/data/samples/trex_pt17_trimodal")
    def gex = samples / 'sample_filtered_feature_bc_matrix.h5'
    def tcr = samples / 'filtered_contig_annotations.csv'
    def other_tcr = file(params.other_tcr)
    TCELLFLOW_PREPROCESS(
        channel.of(
            [[id: 'all'], gex, tcr, gex],
            [[id: 'gex'], gex, [], []],
            [[id: 'tcr'], [], tcr, []],
            [[id: 'two_tcr'], gex, [tcr, other_tcr], []],
        )
    )
    def cells = TCELLFLOW_PREPROCESS.out.cells
    def chains = TCELLFLOW_PREPROCESS.out.chains
    TCELLFLOW_EMBEDTCR(
        chains.join(cells, remainder: true).filter { item -> item[1] }.map { meta, table, found -> [meta, table, found ?: []] },
        [],
    )
    def vectors = TCELLFLOW_EMBEDTCR.out.receptors.join(TCELLFLOW_EMBEDTCR.out.embeddings)
    TCELLFLOW_FUSE(cells.filter { meta, _file -> meta.id == 'all' }, [])
    TCELLFLOW_PREDICT(
        cells.join(vectors, remainder: true).filter { item -> item[1] }.map { item -> [item[0], item[1], item[2] ?: [], item.size() > 3 ? item[3] : []] }
            .join(TCELLFLOW_FUSE.out.fused, remainder: true).map { item -> item[0..3] + [item[4] ?: []] },
        params.bundle ? file(params.bundle) : [],
    )
    TCELLFLOW_DESCRIBE(
        cells.join(TCELLFLOW_PREDICT.out.predictions).join(TCELLFLOW_PREDICT.out.programmes)
            .join(chains, remainder: true).filter { item -> item[1] }.map { item -> item[0..3] + [item[4] ?: []] }
    )
    TCELLFLOW_REPORT(
        TCELLFLOW_PREPROCESS.out.qc.mix(chains, vectors.map { meta, table, _vectors -> [meta, table] }, TCELLFLOW_PREDICT.out.predictions)
            .groupTuple()
            .map { meta, files -> [meta, files.sort { item -> item.name }] }
    )
}
