#include <vector>

#include "encapsulate/violations.h"

namespace encapsulate {

const std::vector<Allowed>& DefaultAllowed() {
  static const auto* const allowed = new std::vector<Allowed>{
      {Rule::kHostSocket, "/run/nscd/socket",
       "glibc asks its name cache first, then looks names up itself"},
      {Rule::kHostSocket, "/run/systemd/userdb/*",
       "glibc's nss-systemd asks for users that /etc/passwd doesn't have"},
      {Rule::kHostSocket, "/run/systemd/resolve/io.systemd.Resolve",
       "glibc's nss-resolve asks for host names; loopback's are in /etc/hosts"},
      {Rule::kHostSocket, "/run/avahi-daemon/socket",
       "glibc's nss-mdns asks for host names; loopback's are in /etc/hosts"},
      {Rule::kHostSocket, "/var/lib/sss/pipes/*",
       "glibc's nss-sss asks for users that /etc/passwd doesn't have"},
      {Rule::kKeyring, "new session keyring",
       "sandboxes and logins leave the keys behind that they came with"},
      {Rule::kWrite, "*/__pycache__", "Python compiles anew"},
      {Rule::kWrite, "*/__pycache__/*", "Python compiles anew"},
      {Rule::kWrite, "/var/cache/fontconfig/*", "fontconfig scans anew"},
      {Rule::kWrite, "*/.cache/fontconfig*", "fontconfig scans anew"},
      {Rule::kWrite, "/var/cache/ldconfig/*", "ldconfig scans anew"},
  };
  return *allowed;
}

}  // namespace encapsulate
