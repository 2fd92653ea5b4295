# Two commands matter to a newcomer: `make demo` and `make test`.
PYTHON ?= python3.11
DEMO   ?= demo
DATA   ?= $(or $(TCELLFLOW_TEST_DATA),../shared/data)
CORPUS ?= $(DATA)/tcr_corpus
RUN    ?= receptors-run
STATES ?= states-run
FUSION ?= fusion-run
LANGUAGE ?= language-run
CASES  ?= 1000000
SEED   ?= 1
LEFT_OUT ?= left-out
HELD_OUT := citeseq_pbmc10k zheng_facs_mudan trex_pt17_trimodal citeseq_malt_1k pbmc3k citeseq_pbmc5k

PYTHON_FOUND := $(shell command -v $(PYTHON) || command -v python3)
CHECK_PYTHON = @$(or $(PYTHON_FOUND),false) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
  { echo "Python 3.11 or newer is needed; name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
NXF_VERSION := $(shell sed 's/.*nextflow-\(.*\)-one.jar/\1/' requirements/nextflow.sha256)
SOURCES := pyproject.toml $(wildcard requirements/*.lock)
COMPILE := .venv/bin/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --no-annotate --python-version 3.11

.PHONY: demo test fuzz nextflow lint-nextflow check lock docs golden bench bundles programmes trust clean

demo: .venv-demo/.ready  ## set up (no torch), run the packaged samples, say where the reports are
	.venv-demo/bin/tcellflow run --demo -o $(DEMO) --force
	.venv-demo/bin/tcellflow run --demo-sample trex_pt17_trimodal --neighbours 5 -o $(DEMO) --force
	.venv-demo/bin/tcellflow report $(DEMO) -o $(DEMO) --prefix both --force
	@echo "A patient's T cells, with surface proteins: $(abspath $(DEMO))/trex_pt17_trimodal.report.html"
	@echo "A healthy donor's T cells: $(abspath $(DEMO))/tenx_healthy_T_1k.report.html"
	@echo "Both side by side: $(abspath $(DEMO))/both.report.html"

test: .venv/.ready  ## set up the test environment and run the whole suite
	@$(MAKE) --no-print-directory nextflow || echo "Without Nextflow its tests are skipped, and fail where CI=true" >&2
	.venv/bin/python -m pytest -n 2 --dist loadgroup $(PYTEST_ARGS)

fuzz: .venv/.ready  ## a million damaged files, and two hundred kills (hours): failing inputs go to fuzz-found
	OMP_NUM_THREADS=1 .venv/bin/python tests/fuzz/campaign.py --cases $(CASES) --seed $(SEED) --save fuzz-found
	OMP_NUM_THREADS=1 .venv/bin/python tests/workflow/killed_runs.py --kills 200

nextflow: .nxf/.ready  ## get the Nextflow that the pipeline is tested with (needs Java 17), and say how to run it
	@echo 'The packaged samples through the pipeline:'
	@echo '  PATH="$(CURDIR)/.venv/bin:$$PATH" NXF_HOME="$(CURDIR)/.nxf" NXF_VER=$(NXF_VERSION) NXF_OFFLINE=true nextflow run nextflow -profile test --outdir out'

lint-nextflow: .venv-nf-core/.ready  ## nf-core's rules for modules, without the network
	.venv/bin/python nextflow/lint_modules.py .venv-nf-core/bin/nf-core

check: .venv/.ready  ## style, types, layers, size of files and folders, and docs
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/python -m pytest -q -m "not slow" tests/architecture
	.venv/bin/python -m numpydoc.hooks.validate_docstrings $$(git ls-files 'tcellflow/*.py')
	.venv/bin/python docs/make_reference.py --check

docs: .venv/.ready  ## regenerate the reference pages from the code
	.venv/bin/python docs/make_reference.py
	cd tests && PYTHONPATH=.. ../.venv/bin/python -m situations.page

golden: .venv/.ready  ## regenerate the expected tables under tests/golden
	.venv/bin/python -m pytest tests/golden --regenerate-golden

lock: .venv/.ready  ## pin every environment with hashes
	$(COMPILE) --extra cpu pyproject.toml -o requirements/cpu.lock
	$(COMPILE) --extra cpu --extra test --extra check --extra train pyproject.toml -o requirements/dev.lock
	$(COMPILE) --extra cpu --extra test --extra check --extra train --extra bench pyproject.toml -c requirements/dev.lock -o requirements/bench.lock
	$(COMPILE) --extra gpu pyproject.toml -c requirements/cpu.lock -o requirements/gpu.lock
	$(COMPILE) --extra cpu --extra train pyproject.toml -c requirements/dev.lock -o requirements/train.lock
	$(COMPILE) --group image -o requirements/build.lock
	$(COMPILE) --group nf-core -o requirements/nf-core.lock

.venv-demo/.ready: $(SOURCES)
	$(CHECK_PYTHON)
	$(PYTHON_FOUND) -m venv .venv-demo
	.venv-demo/bin/python -m pip install -q --disable-pip-version-check uv
	.venv-demo/bin/uv pip install -q --python .venv-demo/bin/python --require-hashes -r requirements/cpu.lock
	.venv-demo/bin/uv pip install -q --python .venv-demo/bin/python --no-deps -e .
	@touch $@

bench: .venv/.ready  ## add the peers that the benchmarks compare with
	.venv/bin/uv pip install -q --python .venv/bin/python --require-hashes -r requirements/bench.lock

bundles: .venv/.ready  ## train the packaged encoder and states again: make bundles DATA=folder (an hour)
	OMP_NUM_THREADS=1 .venv/bin/python -m recipes.receptors.build $(CORPUS) $(RUN) --install
	OMP_NUM_THREADS=1 .venv/bin/python -m recipes.states.build --data $(DATA) $(STATES) --install

programmes: .venv/.ready  ## estimate the packaged programmes and fit the marker model again (a minute)
	OMP_NUM_THREADS=1 .venv/bin/python -m recipes.programmes.build --data $(DATA)
	OMP_NUM_THREADS=1 .venv/bin/python -m recipes.programmes.marker_model --data $(DATA)

trust: $(HELD_OUT:%=$(LEFT_OUT)/%/0/bundle/bundle.json)  ## measure the packaged trust in calls again, on sets left out (two hours)
	OMP_NUM_THREADS=1 .venv/bin/python -m recipes.programmes.trust --data $(DATA) --left-out $(LEFT_OUT)

$(LEFT_OUT)/%/0/bundle/bundle.json: | .venv/.ready
	OMP_NUM_THREADS=1 .venv/bin/python -m recipes.states.build --data $(DATA) $(LEFT_OUT)/$*/0 --hold-out $*

fusion-bundle: .venv/.ready  ## train the packaged fusion bundle again: make fusion-bundle DATA=folder (five minutes)
	OMP_NUM_THREADS=1 .venv/bin/python -m recipes.fusion.build --data $(DATA) $(FUSION) --install

language-bundle: .venv/.ready  ## train the packaged language bundle again: make language-bundle DATA=folder (20 minutes)
	OMP_NUM_THREADS=1 .venv/bin/python -m recipes.language.build_bundle --data $(DATA) $(LANGUAGE) --install

.venv/.ready: $(SOURCES)
	$(CHECK_PYTHON)
	$(PYTHON_FOUND) -m venv .venv
	.venv/bin/python -m pip install -q --disable-pip-version-check uv
	.venv/bin/uv pip install -q --python .venv/bin/python --require-hashes -r requirements/dev.lock
	.venv/bin/uv pip install -q --python .venv/bin/python --no-deps -e .
	@touch $@

.venv-nf-core/.ready: .venv/.ready requirements/nf-core.lock
	$(PYTHON_FOUND) -m venv --without-pip .venv-nf-core
	.venv/bin/uv pip install -q --python .venv-nf-core/bin/python --require-hashes -r requirements/nf-core.lock
	@touch $@

.nxf/.ready: .venv/.ready nextflow/get_nextflow.sh requirements/nextflow.sha256
	nextflow/get_nextflow.sh .nxf .venv/bin/nextflow
	@touch $@

clean:  ## remove environments and results
	rm -rf .venv .venv-demo .venv-nf-core .nxf $(DEMO) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
