#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Writes to a directory of the host that no test should touch.
touch "$RUN_UNDER_DIRECTORY/file"
