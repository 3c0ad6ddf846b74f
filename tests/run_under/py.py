# SPDX-License-Identifier: Apache-2.0

"""Writes where Bazel lets tests write."""

import os

for variable, name in (("TEST_UNDECLARED_OUTPUTS_DIR", "made"),
                       ("TEST_TMPDIR", "kept")):
    with open(os.path.join(os.environ[variable], name), "w") as file:
        file.write("by py\n")
