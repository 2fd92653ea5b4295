process TCELLFLOW_PREPROCESS {
    tag "$meta.id"
    label 'process_single'

    conda "${moduleDir}/environment.yml"
    container "${workflow.containerEngine in ['singularity', 'apptainer'] && !task.ext.singularity_pull_docker_container
        ? 'docker-daemon:localhost/tcellflow:0.1.0'
        : 'localhost/tcellflow:0.1.0'}"

    input:
    tuple val(meta), path(gex), path(tcr, stageAs: 'tcr?/*'), path(adt, stageAs: 'adt/*') // what a sample lacks: []

    output:
    tuple val(meta), path("${prefix}.cells.h5ad"), emit: cells, optional: true
    tuple val(meta), path("${prefix}.chains.parquet"), emit: chains, optional: true
    tuple val(meta), path("${prefix}.qc.json"), emit: qc
    tuple val("${task.process}"), val('tcellflow'), eval("tcellflow --version | sed 's/.* //'"), topic: versions, emit: versions_tcellflow

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    def expression = gex ? "--gex ${gex}" : ''
    def receptors = [tcr].flatten().collect { file -> "--tcr ${file}" }.join(' ')
    def antibodies = adt ? "--adt ${adt}" : ''
    """
    tcellflow preprocess \\
        ${args} \\
        ${expression} \\
        ${receptors} \\
        ${antibodies} \\
        --output . \\
        --prefix ${prefix}
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    def made = (gex ? ["${prefix}.cells.h5ad"] : []) + (tcr ? ["${prefix}.chains.parquet"] : [])
    """
    touch ${made.join(' ')} ${prefix}.qc.json
    """
}
