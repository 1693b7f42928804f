"""The compiled engine, the same bits on any machine, and manual pages."""

import sys
import sysconfig
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from setuptools import Distribution, Extension, setup
from setuptools.command.build_ext import build_ext

# Multiplications and additions are not fused, nothing is reassociated, and no flag is set that
# would make the whole process take tiny numbers for zeros: when linking, too. Notes for debuggers,
# which Python's own flags ask for, take a fifth of the time; -O3 takes more of it and is no faster.
# Loops of few rounds are peeled, so that sums stay in registers.
EXACT = ["-O2", "-fpeel-loops", "-g0", "-ffp-contract=off", "-fno-fast-math", "-fno-lto"]
COMPILE = {"msvc": ["/O2", "/fp:precise", "/std:c11"], "unix": ["-std=c11", *EXACT]}
LINK = {"msvc": [], "unix": EXACT}
MANUAL = "share/man/man1"
KERNEL = "few", "lists", "vectors", "planes", "maxima", "own", "layout", "passes"  # its own headers
TURNED = "turned_samples", "turned", "turned_maxima", "planes"
FREE_THREADED = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))  # it has no stable ABI


class BuildExact(build_ext):
    """Build with our flags after all others, all extensions at once."""

    def finalize_options(self):
        """Use as many cores as there are extensions, unless a number is given."""
        super().finalize_options()
        self.parallel = self.parallel or len(self.distribution.ext_modules)

    def build_extension(self, ext):
        """Add the flags that this compiler understands."""
        kind = "msvc" if self.compiler.compiler_type == "msvc" else "unix"
        ext.extra_compile_args, ext.extra_link_args = COMPILE[kind], LINK[kind]
        super().build_extension(ext)


class InstallPages(Distribution().get_command_class("install_data")):
    """Install manual pages, which are made from the table of options."""

    def run(self):
        """Write them first, to the folder of what is built."""
        folder = Path(self.get_finalized_command("build").build_temp, "man")
        folder.mkdir(parents=True, exist_ok=True)
        paths = [str(folder / name) for name in write_pages(folder)]
        self.data_files = [(MANUAL, paths)]
        super().run()


def write_pages(folder):
    """Write the pages to a folder, and return their names."""
    sys.path.insert(0, str(Path.cwd()))
    where = {"submodule_search_locations": ["cli"]}
    spec = spec_from_file_location("lucid_cli", "cli/__init__.py", **where)
    sys.modules["lucid_cli"] = module_from_spec(spec)
    pages = dict(
        import_module("lucid_cli.manual").pages(
            import_module("lucid_cli.commands").commands, import_module("lucid").__version__
        )
    )
    for name, text in pages.items():
        (folder / name).write_text(text, "utf-8")
    return pages


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
        extension("kernel", "common.h", *(f"{name}.h" for name in KERNEL)),
        extension("largest", "common.h", "largest.h", "planes.h"),
        extension("solid", "common.h", "solid.h"),
        extension("turned", "common.h", *(f"{name}.h" for name in TURNED)),
    ],
    cmdclass={"build_ext": BuildExact, "install_data": InstallPages},
    data_files=[(MANUAL, [])],
    options={} if FREE_THREADED else {"bdist_wheel": {"py_limited_api": "cp311"}},
)
