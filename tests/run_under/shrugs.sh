#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Tries to write to a directory of the host, and doesn't mind.
touch "$RUN_UNDER_DIRECTORY/file" || :
