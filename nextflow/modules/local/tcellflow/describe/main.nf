process TCELLFLOW_DESCRIBE {
    tag "$meta.id"
    label 'process_low'

    conda "${moduleDir}/environment.yml"
    container "${workflow.containerEngine in ['singularity', 'apptainer'] && !task.ext.singularity_pull_docker_container
        ? 'docker-daemon:localhost/tcellflow:0.1.0'
        : 'localhost/tcellflow:0.1.0'}"

    input:
    tuple val(meta), path(cells), path(predictions), path(programmes), path(chains) // without predictions or receptors: []

    output:
    tuple val(meta), path("${prefix}.descriptions.parquet"), emit: descriptions
    tuple val(meta), path("${prefix}.claims.parquet"), emit: claims
    tuple val(meta), path("${prefix}.descriptions.jsonl"), emit: lines
    tuple val(meta), path("${prefix}.descriptions.md"), emit: text
    tuple val(meta), path("${prefix}.described.h5ad"), emit: described, optional: true
    tuple val("${task.process}"), val('tcellflow'), eval("tcellflow --version | sed 's/.* //'"), topic: versions, emit: versions_tcellflow

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    def calls = predictions ? "--pred ${predictions}" : ''
    def running = programmes ? "--programmes ${programmes}" : ''
    def receptors = chains ? "--tcr ${chains}" : ''
    """
    tcellflow describe run \\
        ${args} \\
        ${calls} \\
        ${running} \\
        ${receptors} \\
        --output . \\
        --prefix ${prefix} \\
        ${cells}
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    touch ${prefix}.descriptions.parquet ${prefix}.claims.parquet
    touch ${prefix}.descriptions.jsonl ${prefix}.descriptions.md
    """
}
