process TCELLFLOW_REPORT {
    tag "$meta.id"
    label 'process_single'

    conda "${moduleDir}/environment.yml"
    container "${workflow.containerEngine in ['singularity', 'apptainer'] && !task.ext.singularity_pull_docker_container
        ? 'docker-daemon:localhost/tcellflow:0.1.0'
        : 'localhost/tcellflow:0.1.0'}"

    input:
    tuple val(meta), path(files) // the sample's files of all steps, in any order

    output:
    tuple val(meta), path("${prefix}.report.html"), emit: html
    tuple val(meta), path("${prefix}_mqc.json"), emit: multiqc
    tuple val(meta), path("${prefix}.general_mqc.json"), emit: multiqc_general
    tuple val(meta), path("${prefix}.states_mqc.json"), emit: multiqc_states
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
        ${files}
    """

    stub:
    prefix = task.ext.prefix ?: "${meta.id}"
    """
    touch ${prefix}.report.html ${prefix}_mqc.json ${prefix}.general_mqc.json ${prefix}.states_mqc.json
    """
}
