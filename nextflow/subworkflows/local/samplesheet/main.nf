// The samplesheet: read, checked whole, and turned into what the steps take. Every fault is told at
// once, with line, column, value and mend. assets/schema_input.json says the same rules as data.

// Columns, and the endings a file of each may have; gex and adt may be a matrix folder too.
def sheetRules() {
    def packed = ['csv', 'tsv', 'txt', 'json'].collectMany { ending -> [ending, "${ending}.gz".toString()] }
    return [
        required: ['sample', 'gex', 'tcr', 'adt'],
        optional: ['batch', 'expected_state'],
        endings: [
            gex: ['h5', 'h5ad', 'h5mu'],
            tcr: packed + ['h5ad'],
            adt: packed + ['parquet', 'h5', 'h5ad', 'h5mu'],
        ],
    ]
}

// All faults of a samplesheet as lines of text, and its rows if there are none.
def readSamplesheet(sheet) {
    def table = splitSheet(sheet.text)
    def faults = findHeaderFaults(table.header) + (table.rows ? [] : ['line 2: there is no sample; add a row for each'])
    if (table.header.containsAll(sheetRules().required)) {
        faults = faults + table.rows.collectMany { row -> findRowFaults(row, table, sheet.parent) }
    }
    def rows = faults ? [] : table.rows.collect { row -> resolveRow(row.cells, sheet.parent) }
    return [rows: rows, faults: faults]
}

// Header and rows of CSV text; rows keep their line number, blank ones are left out.
def splitSheet(text) {
    def lines = text.replace('\uFEFF', '').readLines().withIndex(1).collect { line, number -> [number: number, values: splitLine(line)] }
    def filled = lines.findAll { line -> line.values.any { value -> value } }
    def header = filled ? filled[0].values : []
    def rows = filled.drop(1).collect { line ->
        def cells = [header, line.values].transpose().collectEntries { name, value -> [name, value] }
        [line: line.number, width: line.values.size(), cells: cells]
    }
    return [header: header, rows: rows]
}

// The values of one line: quotes and outer blanks are taken off, a doubled quote is a quote.
def splitLine(line) {
    def found = (line + ',') =~ /\s*(?:"((?:[^"]|"")*)"|([^,]*?))\s*,/
    return found.collect { item -> item[1] != null ? item[1].replace('""', '"').trim() : item[2] }
}

def findHeaderFaults(header) {
    def rules = sheetRules()
    def known = rules.required + rules.optional
    def missing = (rules.required - header).collect { name -> "line 1: the column '${name}' is missing; add it, empty if need be" }
    def unknown = (header - known).collect { name -> "line 1: the column '${name}' is not known; use ${known.join(', ')}" }
    def repeated = header.countBy { name -> name }.findAll { _name, count -> count > 1 }.keySet()
    return missing + unknown + repeated.collect { name -> "line 1: the column '${name}' is there twice; keep one" }
}

def findRowFaults(row, table, folder) {
    if (row.width != table.header.size()) {
        return ["line ${row.line}: ${row.width} values under ${table.header.size()} columns; quote values that hold commas"]
    }
    def faults = findSampleFaults(row, table.rows)
    if (!row.cells.gex && !row.cells.tcr) {
        faults = faults + ["line ${row.line}: neither gex nor tcr is given; give at least one"]
    }
    if (row.cells.adt && !row.cells.gex) {
        faults = faults + ["line ${row.line}, adt: antibodies need expression; give gex as well"]
    }
    def files = ['gex', 'adt'].collect { column -> [column, row.cells[column]] } + splitList(row.cells.tcr).collect { name -> ['tcr', name] }
    return faults + files.collectMany { column, name -> findFileFaults(row.line, column, name, folder) }
}

def findSampleFaults(row, rows) {
    def name = row.cells.sample
    if (!(name ==~ /[A-Za-z0-9][A-Za-z0-9._-]*/)) {
        return ["line ${row.line}, sample: '${name}' is no name; use letters, digits, '.', '_' and '-', a letter or digit first"]
    }
    def first = rows.find { other -> other.cells.sample == name }
    return first.line == row.line ? [] : ["line ${row.line}, sample: '${name}' is the name of line ${first.line} already; names must differ"]
}

def findFileFaults(line, column, name, folder) {
    if (!name) {
        return []
    }
    def endings = sheetRules().endings[column]
    def hasEnding = endings.any { ending -> name.endsWith(".${ending}") }
    def mayBeFolder = column != 'tcr'
    def place = "line ${line}, ${column}: '${name}'"
    def mend = "use ${endings.collect { ending -> ".${ending}" }.join(', ')}${mayBeFolder ? ' or a matrix folder' : ''}"
    // Nextflow takes braces for alternatives when it puts a file into a task's folder, and the task never starts.
    if (name =~ /[{}]/) {
        return ["${place} holds braces; rename the file or folder without them"]
    }
    if (name.contains('://')) {
        return hasEnding || mayBeFolder ? [] : ["${place} has an unknown ending; ${mend}"]
    }
    def path = folder.resolve(name)
    if (!path.exists()) {
        return ["${place} does not exist; paths start at the samplesheet's folder"]
    }
    if (path.isDirectory()) {
        if (!mayBeFolder) {
            return ["${place} is a folder; ${mend}"]
        }
        return path.list().size() ? [] : ["${place} is an empty folder; give one with matrix, features and barcodes"]
    }
    if (!hasEnding) {
        return ["${place} has an unknown ending; ${mend}"]
    }
    return path.size() ? [] : ["${place} is empty; copy it again, or leave the value out"]
}

def splitList(value) {
    return value ? value.tokenize(';').collect { name -> name.trim() }.findAll { name -> name } : []
}

// What the steps take: meta, gex, the tcr files, adt; what is not given is [].
def resolveRow(cells, folder) {
    return [
        meta: [id: cells.sample],
        gex: cells.gex ? locate(cells.gex, folder) : [],
        tcr: splitList(cells.tcr).collect { name -> locate(name, folder) },
        adt: cells.adt ? locate(cells.adt, folder) : [],
        batch: cells.batch ?: '',
        expected_state: cells.expected_state ?: '',
    ]
}

def locate(name, folder) {
    return name.contains('://') ? file(name, glob: false) : folder.resolve(name).normalize()
}
