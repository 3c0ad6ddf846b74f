# SPDX-License-Identifier: Apache-2.0

"""Connects to a server on the host."""

import os
import socket

socket.create_connection(("127.0.0.1", int(os.environ["RUN_UNDER_PORT"])))
