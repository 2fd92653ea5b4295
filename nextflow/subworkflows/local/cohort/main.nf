// The cohort: what became of each sample, who made it all, and one page for all samples.
include { MULTIQC } from '../../../modules/local/multiqc/main'
include { TCELLFLOW_COHORT } from '../../../modules/local/tcellflow/cohort/main'

workflow COHORT {
    take:
    samples // channel of [meta, batch, expected_state]
    done // channel of [meta, files]: the samples that went through all their steps
    sections // channel of [meta, MultiQC sections]
    small // channel of [meta, file]: metrics, qc and chains
    config // file: configuration of MultiQC
    folder // where the tables of the cohort are kept
    with_multiqc // whether the page is made

    main:
    table = samples
        .join(done, remainder: true)
        .map { meta, batch, expected, files -> [meta.id, files ? 'done' : 'failed', batch, expected].join('\t') }
        .collectFile(name: 'tcellflow_samples_mqc.tsv', seed: headOfSamples(), newLine: true, sort: true, storeDir: folder)
    versions = channel.topic('versions')
        .map { process, tool, version -> "${process.tokenize(':').last()}:\n    ${tool}: '${version}'" }
        .unique()
        .collectFile(name: 'tcellflow_software_mqc_versions.yml', newLine: true, sort: true, storeDir: folder)

    // A page of two or more samples that have calls, side by side.
    TCELLFLOW_COHORT(
        small.map { _meta, file -> file }
            .toSortedList { one, other -> one.name <=> other.name }
            .filter { files -> files.count { file -> file.name.endsWith('.metrics.json') } > 1 }
            .map { files -> [[id: 'cohort'], files] }
    )

    page = channel.empty()
    if (with_multiqc) {
        def files = sections.map { _meta, file -> file }.mix(table, versions)
        MULTIQC(files.toSortedList { one, other -> one.name <=> other.name }, config)
        page = MULTIQC.out.report
    }

    emit:
    table
    versions
    page
}

def headOfSamples() {
    return [
        '# id: tcellflow_samples',
        '# section_name: Samples',
        '# description: What became of each sample of the samplesheet, and what it was expected to be.',
        '# plot_type: table',
        'Sample\toutcome\tbatch\texpected state',
    ].join('\n')
}
