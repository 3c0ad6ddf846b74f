#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Writes where Bazel lets tests write.
set -eu
echo by sh >"$TEST_UNDECLARED_OUTPUTS_DIR/made"
echo by sh >"$TEST_TMPDIR/kept"
