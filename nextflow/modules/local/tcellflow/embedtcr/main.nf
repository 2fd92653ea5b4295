process TCELLFLOW_EMBEDTCR {
    tag "$meta.id"
    label 'process_low'

    conda "${moduleDir}/environment.yml"
    container "localhost/tcellflow:0.1.0"

    input:
    tuple val(meta), path(chains), path(cells) // cells []: a row for each cell with a receptor only

    output:
    tuple val(meta), path("${prefix}.embeddings.parquet"), emit: embeddings
    tuple val(meta), path("${prefix}.receptors.parquet"), emit: receptors
    tuple val(meta), path("${prefix}.embed.json"), emit: qc
    tuple val(meta), path("${prefix}.embedded.h5ad"), emit: embedded, optional: true
    tuple val("${task.process}"), val('tcellflow'), eval("tcellflow --version | sed 's/.* //'"), topic: versions, emit: versions_tcellflow

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    def expression = cells ? "--gex ${cells}" : ''
    """
    tcellflow embed-tcr \\
        ${args} \\
        ${expression} \\
        --threads ${task.cpus} \\
        --output . \\
        --prefix ${prefix} \\
        ${chains}
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    touch ${prefix}.embeddings.parquet ${prefix}.receptors.parquet ${prefix}.embed.json
    """
}
