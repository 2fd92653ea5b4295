#!/usr/bin/env nextflow
// tcellflow for many samples: parameters and samplesheet are checked whole, then the steps run.
include { describeParameters; findParameterFaults; isOn; readSchema } from './subworkflows/local/parameters/main'
include { readSamplesheet } from './subworkflows/local/samplesheet/main'
include { COHORT } from './subworkflows/local/cohort/main'
include { TCELLFLOW } from './workflows/tcellflow'

workflow {
    main:
    def schema = readSchema(file("${projectDir}/nextflow_schema.json"))
    if (isOn(params.help)) {
        println("nextflow run ${projectDir} --input samplesheet.csv --outdir results -profile docker\n\n${describeParameters(schema)}")
    }
    else {
        def rows = checkInput(params, schema)
        def steps = params.steps.toString().tokenize(',')
        def folder = "${params.outdir}/pipeline_info"
        file(folder).mkdirs()
        file("${folder}/params.json").text = groovy.json.JsonOutput.prettyPrint(groovy.json.JsonOutput.toJson(params)) + '\n'
        tellSkipped(rows, steps)

        TCELLFLOW(
            channel.fromList(rows.collect { row -> [row.meta, row.gex, row.tcr, row.adt] }),
            steps,
            '--neighbours' in (params.embed_tcr_args ?: '').toString().tokenize(' ='),
            [receptors: findBundle(params.bundle_receptors), states: findBundle(params.bundle_states), fusion: findBundle(params.bundle_fusion)],
        )
        COHORT(
            channel.fromList(rows.collect { row -> [row.meta, row.batch, row.expected_state] }),
            TCELLFLOW.out.done,
            TCELLFLOW.out.sections,
            TCELLFLOW.out.small,
            file("${projectDir}/assets/multiqc_config.yml"),
            folder,
            'report' in steps && !isOn(params.skip_multiqc),
        )
    }

    workflow.onComplete = {
        if (workflow.stats.ignoredCount > 0) {
            log.error("some samples failed, see the messages above and ${params.outdir}/pipeline_info; all others are done. Mend them and run again with -resume")
        }
        else if (workflow.success && !isOn(params.help)) {
            log.info(tellResults(params))
        }
    }
}

// The rows of the samplesheet; ends the run with all faults at once if there are any.
def checkInput(given, schema) {
    def faults = findParameterFaults(given, schema)
    def sheet = given.input ? file(given.input, glob: false) : null
    if (sheet && !sheet.exists()) {
        faults = faults + ["--input: the samplesheet ${given.input} does not exist"]
        sheet = null
    }
    faults = faults + ['bundle_receptors', 'bundle_states', 'bundle_fusion']
        .findAll { name -> findBundle(given[name]) && !findBundle(given[name]).exists() }
        .collect { name -> "--${name}: the folder ${given[name]} does not exist" }
    faults = faults + findMissingPrograms(given)
    def found = sheet ? readSamplesheet(sheet) : [rows: [], faults: []]
    def all = faults + found.faults.collect { fault -> "${sheet.name}, ${fault}" }
    if (all) {
        def shown = all.take(20).join('\n  ')
        def rest = all.size() > 20 ? "\n  and ${all.size() - 20} more" : ''
        error("nothing was started, the input has ${all.size()} fault${all.size() > 1 ? 's' : ''}:\n  ${shown}${rest}")
    }
    return found.rows
}

// Without a container engine tasks find their programs on the PATH, or fail when all else is done.
def findMissingPrograms(given) {
    if (workflow.containerEngine || workflow.stubRun) {
        return []
    }
    def with_page = 'report' in given.steps.toString().tokenize(',') && !isOn(given.skip_multiqc)
    return [
        [isNeeded: true, name: 'tcellflow', mend: 'put its environment on the PATH, or take a profile with containers: -profile docker'],
        [isNeeded: with_page, name: 'multiqc', mend: 'pip install multiqc, leave its page out (--skip_multiqc), or take a profile with containers'],
    ]
        .findAll { program -> program.isNeeded && !isOnPath(program.name) }
        .collect { program -> "${program.name} is not on the PATH: ${program.mend}" }
}

def isOnPath(name) {
    return System.getenv('PATH').tokenize(':').any { folder -> java.nio.file.Files.isExecutable(java.nio.file.Path.of(folder, name)) }
}

// A value with a slash is a folder or URI; one without is a name, which conf/modules.config hands on.
def findBundle(bundle) {
    return bundle && bundle.toString().contains('/') ? file(bundle, glob: false) : []
}

// What a run that went well says at its end: the places to look at first.
def tellResults(given) {
    def with_report = 'report' in given.steps.toString().tokenize(',')
    def pages = [
        "${given.outdir}/<sample>/: the files of each sample${with_report ? ', <sample>.report.html first' : ''}",
        with_report && file("${given.outdir}/cohort.report.html").exists() ? "${given.outdir}/cohort.report.html: all samples side by side" : null,
        with_report && !isOn(given.skip_multiqc) ? "${given.outdir}/multiqc/multiqc_report.html: the main numbers of all samples" : null,
        "${given.outdir}/pipeline_info/: what became of each sample, versions, times",
    ]
    return "all samples are done:\n  ${pages.findAll().join('\n  ')}"
}

def tellSkipped(rows, steps) {
    [['embed-tcr', 'tcr'], ['predict', 'gex'], ['fuse', 'gex'], ['describe', 'gex']].each { step, column ->
        def names = rows.findAll { row -> !row[column] }.collect { row -> row.meta.id }
        if (step in steps && names) {
            log.info("${step}: left out for ${names.join(', ')} (no ${column})")
        }
    }
}
