# SPDX-License-Identifier: Apache-2.0
"""Encapsulate for Conan 2. From a checkout: conan create packaging/conan"""

import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, CMakeDeps, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load

required_conan_version = ">=2.0"


class EncapsulateConan(ConanFile):
    name = "encapsulate"
    description = "Sandboxes for commands and for GoogleTest's tests, on Linux"
    homepage = "https://EXAMPLE"
    license = "Apache-2.0"
    topics = ("sandbox", "testing", "googletest")
    # The fork server is data of the library, so there is no shared one.
    package_type = "static-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"gtest": [True, False], "tool": [True, False]}
    default_options = {"gtest": True, "tool": True}

    @property
    def _root(self):
        return os.path.join(self.recipe_folder, "..", "..")

    def set_version(self):
        module = load(self, os.path.join(self._root, "MODULE.bazel"))
        self.version = re.search(r'version = "([0-9.]+)"', module)[1]

    def export_sources(self):
        for pattern in ("CMakeLists.txt", "LICENSE", "MODULE.bazel", "cmake/*",
                        "encapsulate/*", "gtest_plugin/*", "tool/*"):
            copy(self, pattern, self._root, self.export_sources_folder)

    def requirements(self):
        # Headers of theirs are part of the library's own.
        self.requires("abseil/20250127.0", transitive_headers=True)
        if self.options.gtest:
            self.requires("gtest/1.16.0", transitive_headers=True)

    def validate(self):
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("Encapsulate is for Linux")
        check_min_cppstd(self, 17)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.variables["ENCAPSULATE_PLUGIN"] = bool(self.options.gtest)
        toolchain.variables["ENCAPSULATE_TOOL"] = bool(self.options.tool)
        toolchain.variables["FETCHCONTENT_FULLY_DISCONNECTED"] = True
        toolchain.generate()
        dependencies = CMakeDeps(self)
        dependencies.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def package(self):
        copy(self, "LICENSE", self.source_folder,
             os.path.join(self.package_folder, "licenses"))
        CMake(self).install()

    def package_info(self):
        # The package's own EncapsulateConfig.cmake has the targets, and the function
        # that makes each test one of CTest's.
        self.cpp_info.set_property("cmake_find_mode", "none")
        self.cpp_info.builddirs = [os.path.join("lib", "cmake", "Encapsulate")]
        self.cpp_info.libs = ["encapsulate"]
        self.cpp_info.system_libs = ["pthread", "dl"]
