// A pipeline of one's own that takes one module of tcellflow and goes on with a step of its own.
//
//   nextflow run examples/one_module -profile docker      (podman, apptainer; without: tcellflow from PATH)

include { TCELLFLOW_PREPROCESS } from '../../nextflow/modules/local/tcellflow/preprocess/main.nf'

process KEPT_CELLS {
    container "localhost/tcellflow:0.1.0"

    input:
    path accounts

    output:
    path 'kept_cells.tsv'

    script:
    """
    python3 -c '
    import json, pathlib
    for path in sorted(pathlib.Path().glob("*.qc.json")):
        print(path.name.removesuffix(".qc.json"), json.loads(path.read_text())["cells"]["kept"], sep="\\t")
    ' > kept_cells.tsv
    """

    stub:
    """
    touch kept_cells.tsv
    """
}

workflow {
    def sheet = file(params.input, checkIfExists: true)
    def samples = channel.of(sheet)
        .splitCsv(header: true)
        .map { row ->
            def files = [row.gex, row.tcr, row.adt].collect { name -> name ? file(sheet.parent.resolve(name), checkIfExists: true) : [] }
            [[id: row.sample]] + files
        }
    TCELLFLOW_PREPROCESS(samples)
    KEPT_CELLS(TCELLFLOW_PREPROCESS.out.qc.map { _meta, account -> account }.collect())
}
