process TCELLFLOW_COHORT {
    tag "$meta.id"
    label 'process_single'

    conda "${moduleDir}/environment.yml"
    container "${workflow.containerEngine in ['singularity', 'apptainer'] && !task.ext.singularity_pull_docker_container
        ? 'docker-daemon:localhost/tcellflow:0.1.0'
        : 'localhost/tcellflow:0.1.0'}"

    input:
    tuple val(meta), path(files, stageAs: 'samples/*') // metrics.json, qc.json and chains of all samples

    output:
    tuple val(meta), path("${prefix}.report.html"), emit: html
    tuple val("${task.process}"), val('tcellflow'), eval("tcellflow --version | sed 's/.* //'"), topic: versions, emit: versions_tcellflow

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    tcellflow report \\
        ${args} \\
        --output . \\
        --prefix ${prefix} \\
        samples
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    touch ${prefix}.report.html
    """
}
