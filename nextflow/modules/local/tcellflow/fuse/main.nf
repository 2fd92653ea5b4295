process TCELLFLOW_FUSE {
    tag "$meta.id"
    label 'process_low'

    conda "${moduleDir}/environment.yml"
    container "${workflow.containerEngine in ['singularity', 'apptainer'] && !task.ext.singularity_pull_docker_container
        ? 'docker-daemon:localhost/tcellflow:0.1.0'
        : 'localhost/tcellflow:0.1.0'}"

    input:
    tuple val(meta), path(cells)
    path bundle // []: the packaged default

    output:
    tuple val(meta), path("${prefix}.fused.parquet"), emit: fused
    tuple val(meta), path("${prefix}.fuse.json"), emit: qc
    tuple val(meta), path("${prefix}.fused.h5ad"), emit: h5ad, optional: true
    tuple val("${task.process}"), val('tcellflow'), eval("tcellflow --version | sed 's/.* //'"), topic: versions, emit: versions_tcellflow

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    def chosen = bundle ? "--fusion-bundle ./${bundle}" : '' // with ./ it is a folder, without it might be a name
    """
    tcellflow fuse \\
        ${args} \\
        ${chosen} \\
        --device cpu \\
        --threads ${task.cpus} \\
        --output . \\
        --prefix ${prefix} \\
        ${cells}
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    touch ${prefix}.fused.parquet ${prefix}.fuse.json ${prefix}.fused.h5ad
    """
}
