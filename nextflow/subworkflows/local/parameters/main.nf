// The parameters: known from nextflow_schema.json, checked whole before any task starts.

// The rule of each parameter, in the order of the schema.
def readSchema(path) {
    def schema = new groovy.json.JsonSlurper().parseText(path.text)
    return schema['$defs'].values().collectEntries { group ->
        group.properties.collectEntries { name, rule -> [name, rule + [isRequired: name in (group.required ?: [])]] }
    }
}

// All faults of the parameters as lines of text.
def findParameterFaults(given, schema) {
    def names = given.keySet().findAll { name -> !isAlias(name, given.keySet()) }
    def unknown = names.findAll { name -> !schema.containsKey(name) }
    def valueless = names.findAll { name -> name.endsWith('_args') && given[name].toString() == 'true' }
    // Nextflow takes a value that begins with hyphens for an option of its own, and keeps it without inner hyphens.
    def taken = unknown.collect { name ->
        def written = '--' + name.replaceAll(/[A-Z]/) { letter -> "-${letter.toLowerCase()}" }
        given[name].toString() == 'true' ? written : "${written} ${given[name]}"
    }
    def asked = valueless ? names - unknown - valueless : names
    return valueless.collect { name ->
        "--${name} got no value: write --${name}='${taken.join(' ') ?: '--option'}', with an equals sign before options in quotes"
    } + asked.collectMany { name ->
        schema.containsKey(name)
            ? findValueFaults(name, given[name], schema[name])
            : ["--${name} is not known; did you mean --${findNearest(name, schema.keySet())}? --help lists all"]
    }
}

// Nextflow hands on --some-name as someName too.
def isAlias(name, names) {
    return names.any { other -> other != name && other.contains('-') && other.replaceAll('-([a-z])') { _all, letter -> letter.toUpperCase() } == name }
}

def findValueFaults(name, value, rule) {
    if (value == null || value == '') {
        return rule.isRequired ? ["--${name} is needed: ${rule.description}"] : []
    }
    def text = value.toString()
    if (rule.type == 'boolean' && !(text in ['true', 'false'])) {
        return ["--${name} is '${text}'; it is a switch: true or false"]
    }
    if (rule.type == 'integer' && !(text.isInteger() && text.toInteger() >= (rule.minimum ?: 0))) {
        return ["--${name} is '${text}'; it must be a whole number of at least ${rule.minimum ?: 0}"]
    }
    if (rule['enum'] && !(text in rule['enum'])) {
        return ["--${name} is '${text}'; choose one of ${rule['enum'].join(', ')}"]
    }
    if (rule.pattern && !text.matches(rule.pattern)) {
        return ["--${name} is '${text}'; ${rule.errorMessage}"]
    }
    return []
}

// The known name that shares most pairs of neighbouring letters.
def findNearest(name, known) {
    def pairs = pairLetters(name)
    return known.max { other -> 2 * pairs.intersect(pairLetters(other)).size() / (pairs.size() + other.size()) }
}

def pairLetters(word) {
    return word.size() < 2 ? [word] : (0..word.size() - 2).collect { place -> word[place..place + 1] }
}

// A switch: a value from the command line may be text, and the text 'false' counts as true.
def isOn(value) {
    return value.toString() == 'true'
}

def describeParameters(schema) {
    def width = schema.keySet().collect { name -> name.size() }.max()
    def lines = schema.collect { name, rule ->
        def usual = rule.default == null ? '' : " [${rule.default}]"
        "  --${name.padRight(width)}  ${rule.description}${usual}"
    }
    return lines.join('\n')
}
