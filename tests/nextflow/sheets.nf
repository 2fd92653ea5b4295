// What the pipeline says of each samplesheet in a folder, as JSON: {name: {faults, rows}}.
include { readSamplesheet } from '../../nextflow/subworkflows/local/samplesheet/main'

workflow {
    def verdicts = files("${params.sheets}/*.csv").collectEntries { sheet ->
        def found = readSamplesheet(sheet)
        [sheet.name, [faults: found.faults, rows: found.rows.collect { row -> row.collectEntries { key, value -> [key, key == 'meta' ? value : value.toString()] } }]]
    }
    file(params.verdicts).text = groovy.json.JsonOutput.toJson(verdicts)
}
