process MULTIQC {
    label 'process_single'

    conda "${moduleDir}/environment.yml"
    container "docker.io/multiqc/multiqc:v1.35"

    input:
    path files, stageAs: 'files/*'
    path config

    output:
    path "multiqc_report.html", emit: report
    path "multiqc_report_data", emit: data
    // not to the topic of versions: what this process reads is made from it, it would wait for itself
    tuple val("${task.process}"), val('multiqc'), eval("multiqc --version | sed 's/.* //'"), emit: versions_multiqc

    when:
    task.ext.when == null || task.ext.when

    script:
    def args = task.ext.args ?: ''
    """
    multiqc \\
        --force \\
        --no-version-check \\
        --filename multiqc_report.html \\
        ${args} \\
        --config ${config} \\
        files
    """

    stub:
    """
    mkdir multiqc_report_data
    touch multiqc_report.html multiqc_report_data/multiqc_data.json
    """
}
