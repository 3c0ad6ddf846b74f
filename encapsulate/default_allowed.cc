// SPDX-License-Identifier: Apache-2.0

#include <vector>

#include "encapsulate/violations.h"

namespace encapsulate {

const std::vector<Allowed>& DefaultAllowed() {
  // "*/run": it may be tried as /var/run, which isn't a link to it everywhere.
  static const auto* const allowed = new std::vector<Allowed>{
      {Rule::kHostSocket, "*/run/nscd/socket",
       "glibc asks its name cache first, then looks names up itself"},
      {Rule::kHostSocket, "/run/systemd/userdb/*",
       "glibc's nss-systemd asks for users that /etc/passwd doesn't have"},
      {Rule::kHostSocket, "/run/systemd/resolve/io.systemd.Resolve",
       "glibc's nss-resolve asks for host names; loopback's are in /etc/hosts"},
      {Rule::kHostSocket, "*/run/avahi-daemon/socket",
       "glibc's nss-mdns asks for host names; loopback's are in /etc/hosts"},
      {Rule::kHostSocket, "/var/lib/sss/pipes/*",
       "glibc's nss-sss asks for users that /etc/passwd doesn't have"},
      {Rule::kHostSocket, "*/run/nslcd/socket",
       "glibc's nss-ldapd asks for users that /etc/passwd doesn't have"},
      {Rule::kHostSocket, "*/run/samba/winbindd/pipe",
       "glibc's nss-winbind asks for users that /etc/passwd doesn't have"},
      {Rule::kHostSocket, "*/run/setrans/.setrans-unix",
       "libselinux asks for a label's name, and shows the label without"},
      {Rule::kHostSocket, "*/run/lttng/lttng-ust-sock-*",
       "a traced program's first step; it runs untraced without"},
      {Rule::kKeyring, "new session keyring",
       "sandboxes and logins leave the keys behind that they came with"},
      {Rule::kWrite, "*/__pycache__", "Python compiles anew"},
      {Rule::kWrite, "*/__pycache__/*", "Python compiles anew"},
      {Rule::kWrite, "/tmp/hsperfdata_*",
       "a Java machine shows its counters to tools, and does without"},
      {Rule::kWrite, "*/.npm/_logs", "npm logs what it does, where it may"},
      {Rule::kWrite, "*/.npm/_logs/*", "npm logs what it does, where it may"},
      {Rule::kWrite, "/var/cache/fontconfig/*", "fontconfig scans anew"},
      {Rule::kWrite, "*/.cache/fontconfig*", "fontconfig scans anew"},
      {Rule::kWrite, "/var/cache/ldconfig/*", "ldconfig scans anew"},
  };
  return *allowed;
}

}  // namespace encapsulate
