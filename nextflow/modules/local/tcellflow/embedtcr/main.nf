process TCELLFLOW_EMBEDTCR {
    tag "$meta.id"
    label 'process_low'
    label 'process_gpu'

    conda "${moduleDir}/environment.yml"
    container "${workflow.containerEngine in ['singularity', 'apptainer'] && !task.ext.singularity_pull_docker_container
        ? (task.accelerator ? 'docker-daemon:localhost/tcellflow:0.1.0-gpu' : 'docker-daemon:localhost/tcellflow:0.1.0')
        : (task.accelerator ? 'localhost/tcellflow:0.1.0-gpu' : 'localhost/tcellflow:0.1.0')}"

    input:
    tuple val(meta), path(chains), path(cells) // cells []: a row for each cell with a receptor only
    path bundle // []: the backend's own

    output:
    tuple val(meta), path("${prefix}.embeddings.parquet"), emit: embeddings
    tuple val(meta), path("${prefix}.receptors.parquet"), emit: receptors
    tuple val(meta), path("${prefix}.embed.json"), emit: qc
    tuple val(meta), path("${prefix}.embedded.h5ad"), emit: embedded, optional: true
    tuple val(meta), path("${prefix}.neighbours.parquet"), emit: neighbours, optional: true
    tuple val("${task.process}"), val('tcellflow'), eval("tcellflow --version | sed 's/.* //'"), topic: versions, emit: versions_tcellflow

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    def device = task.accelerator ? 'cuda' : 'cpu'
    def expression = cells ? "--gex ${cells}" : ''
    def chosen = bundle ? "--receptors-bundle ./${bundle}" : '' // with ./ it is a folder, without it might be a name
    """
    tcellflow embed-tcr \\
        ${args} \\
        ${expression} \\
        ${chosen} \\
        --device ${device} \\
        --threads ${task.cpus} \\
        --output . \\
        --prefix ${prefix} \\
        ${chains}
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    def nearest = (task.ext.args ?: '').contains('--neighbours') ? "${prefix}.neighbours.parquet" : ''
    """
    touch ${prefix}.embeddings.parquet ${prefix}.receptors.parquet ${prefix}.embed.json ${nearest}
    """
}
