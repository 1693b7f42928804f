"""The compiled engine: the same bits on any machine, whatever flags a user's environment sets."""

import sysconfig

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

# Multiplications and additions are not fused, nothing is reassociated, and no flag is set that
# would make the whole process take tiny numbers for zeros: when linking, too. Notes for debuggers,
# which Python's own flags ask for, take a fifth of the time.
EXACT = ["-O3", "-g0", "-ffp-contract=off", "-fno-fast-math", "-fno-lto"]
COMPILE = {"msvc": ["/O2", "/fp:precise", "/std:c11"], "unix": ["-std=c11", *EXACT]}
LINK = {"msvc": [], "unix": EXACT}
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))  # it has no stable ABI


class BuildExact(build_ext):
    """Build with our flags after all others."""

    def build_extension(self, ext):
        """Add the flags that this compiler understands."""
        kind = "msvc" if self.compiler.compiler_type == "msvc" else "unix"
        ext.extra_compile_args, ext.extra_link_args = COMPILE[kind], LINK[kind]
        super().build_extension(ext)


def extension(name, *headers):
    """Return one of the engine's extensions, with the headers that its file includes."""
    folder = "lucid/roi/engines/compiled"
    return Extension(
        f"lucid.roi.engines.compiled._{name}",
        [f"{folder}/{name}.c"],
        depends=[f"{folder}/{header}" for header in headers],
        define_macros=[] if FREE_THREADED else [("Py_LIMITED_API", "0x030b0000")],
        py_limited_api=not FREE_THREADED,
        optional=True,
    )


setup(
    ext_modules=[
        extension("kernel", "passes.h", "planes.h", "maxima.h", "common.h"),
        extension("turned", "turned.h", "planes.h", "common.h"),
    ],
    cmdclass={"build_ext": BuildExact},
    options={} if FREE_THREADED else {"bdist_wheel": {"py_limited_api": "cp311"}},
)
