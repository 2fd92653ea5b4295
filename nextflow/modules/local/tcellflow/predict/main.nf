process TCELLFLOW_PREDICT {
    tag "$meta.id"
    label 'process_low'
    label 'process_gpu'

    conda "${moduleDir}/environment.yml"
    container "${workflow.containerEngine in ['singularity', 'apptainer'] && !task.ext.singularity_pull_docker_container
        ? (task.accelerator ? 'docker-daemon:localhost/tcellflow:0.1.0-gpu' : 'docker-daemon:localhost/tcellflow:0.1.0')
        : (task.accelerator ? 'localhost/tcellflow:0.1.0-gpu' : 'localhost/tcellflow:0.1.0')}"

    input:
    tuple val(meta), path(cells), path(receptors), path(embeddings), path(fused) // without receptors: [], []; without fuse: []
    path bundle // []: the packaged default

    output:
    tuple val(meta), path("${prefix}.predictions.parquet"), emit: predictions
    tuple val(meta), path("${prefix}.predictions.csv"), emit: csv
    tuple val(meta), path("${prefix}.clonotypes.parquet"), emit: clonotypes
    tuple val(meta), path("${prefix}.programmes.parquet"), emit: programmes
    tuple val(meta), path("${prefix}.metrics.json"), emit: metrics
    tuple val(meta), path("${prefix}.annotated.h5ad"), emit: annotated, optional: true
    tuple val(meta), path("${prefix}.h5mu"), emit: mudata, optional: true
    tuple val(meta), path("${prefix}.gene_evidence.parquet"), emit: evidence, optional: true
    tuple val("${task.process}"), val('tcellflow'), eval("tcellflow --version | sed 's/.* //'"), topic: versions, emit: versions_tcellflow

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    def device = task.accelerator ? 'cuda' : 'cpu'
    def clones = receptors ? "--receptors ${receptors}" : ''
    def vectors = embeddings ? "--embeddings ${embeddings}" : ''
    def proteins = fused ? "--fused ${fused}" : ''
    def chosen = bundle ? "--bundle ./${bundle}" : '' // with ./ it is a folder, without it might be a name
    """
    tcellflow predict \\
        ${args} \\
        ${clones} \\
        ${vectors} \\
        ${proteins} \\
        ${chosen} \\
        --device ${device} \\
        --threads ${task.cpus} \\
        --output . \\
        --prefix ${prefix} \\
        ${cells}
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    touch ${prefix}.predictions.parquet ${prefix}.predictions.csv ${prefix}.clonotypes.parquet
    touch ${prefix}.programmes.parquet ${prefix}.metrics.json ${prefix}.annotated.h5ad
    """
}
