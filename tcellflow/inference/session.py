"""ONNX Runtime sessions: arrays by name in, arrays by name out.

Invariant: the device that was asked for is the device in use, and the same input gives the same
bits whatever the number of threads. onnxruntime is imported when the first session is opened.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import numpy as np

from tcellflow.errors import BundleError, OptionsError, follow_causes, install_extra

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from types import ModuleType

    from numpy.typing import NDArray

Batch = TypeVar("Batch")
Result = TypeVar("Result")

_LOG = logging.getLogger(__name__)

Device = Literal["cpu", "cuda", "auto"]
DEVICES: Final = ("cpu", "cuda", "auto")
_CPU = "CPUExecutionProvider"
_CUDA = "CUDAExecutionProvider"
_PACKAGES = {"cpu": "onnxruntime", "gpu": "onnxruntime-gpu"}


class Session:
    """A loaded ONNX model; made by `open_session`.

    Parameters
    ----------
    raw
        The onnxruntime session.
    threads
        Batches that run at a time.
    where
        Named in errors as the place.
    """

    def __init__(self, raw: Any, threads: int = 1, *, where: object = "the model") -> None:
        self._raw = raw
        self._where = where
        self._threads = threads
        self.input_names: tuple[str, ...] = tuple(tensor.name for tensor in raw.get_inputs())
        self.output_names: tuple[str, ...] = tuple(tensor.name for tensor in raw.get_outputs())

    @property
    def input_ranks(self) -> dict[str, int]:
        """Number of axes of each input, by name."""
        return {tensor.name: len(tensor.shape) for tensor in self._raw.get_inputs()}

    @property
    def device(self) -> Literal["cpu", "cuda"]:
        """Where the model runs."""
        return "cuda" if _CUDA in self._raw.get_providers() else "cpu"

    def run(
        self, inputs: Mapping[str, NDArray[np.float32] | NDArray[np.int64]]
    ) -> dict[str, NDArray[np.float32]]:
        """Run the model once.

        Parameters
        ----------
        inputs
            Array of each input by name, as the bundle declares them.

        Returns
        -------
        dict
            Array of each output by name.

        Raises
        ------
        BundleError
            If the model cannot be run, or gives NaN.
        """
        try:
            values = self._raw.run(list(self.output_names), dict(inputs))
        except MemoryError:
            raise
        except Exception as error:  # onnxruntime has an error of its own for each of its states
            raise self._refuse(f"cannot be run: {str(error).partition(chr(10))[0]}") from error
        outputs = dict(zip(self.output_names, values, strict=True))
        for name, value in outputs.items():
            if value.dtype.kind == "f" and np.isnan(value).any():
                raise self._refuse(f"gives NaN in its output '{name}'")
        return outputs

    def _refuse(self, what: str) -> BundleError:
        return BundleError(
            f"the model {what}", where=self._where, mend="fetch the bundle again, or have its maker mend it"
        )

    def spread(self, call: Callable[[Batch], Result], batches: Iterable[Batch]) -> Iterator[Result]:
        """Call a function that runs this session for each of some batches, several at a time; in order.

        A batch is computed by one thread from start to end: sums that threads share would differ in their
        last bits with the number of threads.
        """
        if self._threads == 1:
            yield from map(call, batches)
            return
        with ThreadPoolExecutor(self._threads) as pool:
            yield from pool.map(call, batches)


def open_session(onnx_path: Path, *, threads: int | None = None, device: Device = "auto") -> Session:
    """Load an ONNX model as a session of ONNX Runtime.

    Parameters
    ----------
    onnx_path
        The model file.
    threads
        Batches that run at a time on the CPU; the processors this process may use if not given.
    device
        ``cpu``, ``cuda``, or ``auto``: the GPU where onnxruntime can use one. The choice is logged.

    Returns
    -------
    Session
        The loaded model.

    Raises
    ------
    OptionsError
        If none or both of the onnxruntime packages are installed, ``threads`` is below 1, or
        ``cuda`` was asked for and the loaded model does not run there.
    BundleError
        If the model cannot be loaded.
    """
    if threads is not None and threads < 1:
        raise OptionsError(f"{threads} threads make no sense", where="--threads", mend="give 1 or more")
    runtime = _import_runtime()
    offers_cuda = _CUDA in runtime.get_available_providers()
    if device not in DEVICES:
        raise OptionsError(
            f"there is no device {device!r}", where="--device", mend="choose from: " + ", ".join(DEVICES)
        )
    if device == "cuda" and not offers_cuda:
        raise _no_gpu("the GPU was asked for, but the installed onnxruntime is the CPU build")
    has_driver = device != "cpu" and offers_cuda and _has_driver()
    if device == "cuda" and not has_driver:
        raise _no_gpu("the GPU was asked for, but no NVIDIA driver (libcuda.so.1) is to be found")
    # Without the CUDA libraries on the search path the provider falls back to the CPU silently.
    if has_driver and hasattr(runtime, "preload_dlls"):
        runtime.preload_dlls()
    # TF32 would round the products to 10 bits: outside every bundle's parity tolerance.
    providers: list[Any] = [(_CUDA, {"use_tf32": "0"}), _CPU] if has_driver else [_CPU]
    try:
        raw = runtime.InferenceSession(_name_or_read(onnx_path), _options(runtime), providers=providers)
    except MemoryError:
        raise
    except Exception as error:
        raise BundleError(
            f"the model cannot be loaded: {str(error).splitlines()[0]}",
            where=onnx_path,
            mend="check the bundle with 'tcellflow bundle verify'",
        ) from error
    session = Session(raw, 1 if has_driver else threads or count_processors(), where=onnx_path)
    if device == "cuda" and session.device != "cuda":
        raise _no_gpu("the GPU was asked for, but the model was loaded on the CPU")
    if device == "auto":
        _LOG.info("device: %s (chosen by --device auto)", session.device)
    return session


def _name_or_read(path: Path) -> str | bytes:
    """Give the name of a model; its content where the name is not UTF-8, which onnxruntime demands."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return path.read_bytes()
    return str(path)


def _options(runtime: ModuleType) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = 1  # threads share batches, not sums: `Session.spread`
    options.inter_op_num_threads = 1
    options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    options.use_deterministic_compute = True
    options.log_severity_level = 3  # errors only: a missing GPU is reported by ourselves
    # Waiting threads would spin on processors that other samples' processes need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return options


def _import_runtime() -> ModuleType:
    installed = [extra for extra, package in _PACKAGES.items() if _is_installed(package)]
    if len(installed) == 2:
        raise OptionsError(
            "onnxruntime and onnxruntime-gpu are both installed; they overwrite each other's files",
            where="Python environment",
            mend="pip uninstall -y onnxruntime onnxruntime-gpu, then, without a GPU, " + install_extra("cpu"),
        )
    if not installed:
        raise _missing_runtime("onnxruntime is not installed")
    # It reports its use over the network unless it is told not to before it is loaded.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime  # noqa: PLC0415 - loaded when first needed
    except ImportError as error:
        _pass_interruption(error)
        raise _missing_runtime(f"onnxruntime cannot be imported: {error}") from error
    if not hasattr(onnxruntime, "InferenceSession"):  # what removing one of the two packages leaves
        raise _missing_runtime("the installed onnxruntime is an empty shell")
    module: ModuleType = onnxruntime
    return module


def _pass_interruption(error: BaseException) -> None:
    """Raise the Ctrl-C or signal behind an error, if any: a native module that is loading hides it."""
    for cause in follow_causes(error):
        if not isinstance(cause, Exception):
            raise cause


def _no_gpu(what: str) -> OptionsError:
    return OptionsError(
        what,
        where="--device cuda",
        mend="use --device cpu; or, on a machine with an NVIDIA GPU and its driver, " + install_extra("gpu"),
    )


def _missing_runtime(what: str) -> OptionsError:
    return OptionsError(
        what,
        where="Python environment",
        mend=install_extra("cpu", options="--force-reinstall") + " (NVIDIA GPU: '.[gpu]'); never both",
    )


def _has_driver() -> bool:
    """Say whether the driver is there; onnxruntime would print its own errors about it."""
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def _is_installed(package: str) -> bool:
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def count_processors(cgroup_root: Path = Path("/sys/fs/cgroup")) -> int:
    """Count the processors this process may use, for the threads of a session.

    Parameters
    ----------
    cgroup_root
        Where control groups are mounted.

    Returns
    -------
    int
        The smaller of the processor affinity and the control group's CPU quota (rounded up), at least 1.
    """
    limit = len(os.sched_getaffinity(0))
    quota = _read_quota(cgroup_root)
    return max(1, limit if quota is None else min(limit, -(-quota[0] // quota[1])))


def _read_quota(root: Path) -> tuple[int, int] | None:
    """Give (quota, period) in microseconds of the control group, version 2 or 1; None if unlimited."""
    for files in ((root / "cpu.max",), (root / "cpu/cpu.cfs_quota_us", root / "cpu/cpu.cfs_period_us")):
        try:
            words = " ".join(file.read_text() for file in files).split()
            quota, period = int(words[0]), int(words[1])
        except (OSError, ValueError, IndexError):  # absent, or "max": no limit here
            continue
        if quota > 0 and period > 0:
            return quota, period
    return None
