// SPDX-License-Identifier: Apache-2.0
//
// What was made in directories that everybody uses, /tmp above all: known by
// device, inode and time of birth, because names are used again.
//
//   MadeFiles made({"/tmp"}, ledger);
//   ...                        // the supervisor makes /tmp/a for the command
//   made.Add("/tmp/a");
//   made.Has("/tmp/a/b", fd);  // true if fd is open on just that
//   made.RemoveAll();          // {"/tmp/a"}, gone
//
// Whoever ends a sandbox whose caller was killed reads the same from the
// ledger, see child/ledger.h.
#ifndef ENCAPSULATE_SUPERVISOR_MADE_FILES_H_
#define ENCAPSULATE_SUPERVISOR_MADE_FILES_H_

#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/string_view.h"
#include "encapsulate/child/ledger.h"

namespace encapsulate {

class MadeFiles {
 public:
  // `roots` are absolute, without symbolic links. `ledger` is written to, and
  // stays the caller's; -1 for none.
  MadeFiles(std::vector<std::string> roots, int ledger)
      : roots_(std::move(roots)), ledger_(ledger) {}

  bool IsRoot(absl::string_view path) const;
  // The entry of a root that `path` is, or lies below; "" if there is none.
  std::string TopOf(absl::string_view path) const;
  // Whether what a descriptor stands for was made inside, or lies at `path` in
  // what was.
  bool Has(const std::string& path, int fd) const;
  // Whether it was itself made in a root. It may have no name yet, or any more.
  bool HasFile(int fd) const;
  // The same of the root's entry.
  bool HasEntry(int root, const std::string& name) const;

  // The entry of a root has been made, or has got that name. Of paths below one
  // nothing needs to be known.
  void Add(const std::string& path);
  // A file without a name has been made (O_TMPFILE).
  void AddUnnamed(int fd);
  // A socket is about to be bound to that name, which nothing has.
  void AddSocketName(const std::string& path);

  // Another thing that init is to remove if the caller is killed.
  void NoteObject(LedgerRecord::Kind kind, int64_t number,
                  const std::string& name) const;

  // Removes what is left, with all that is in it, and tells its names, sorted.
  std::vector<std::string> RemoveAll();

  // For a child that isn't the one to do so.
  void Forget() { made_.clear(); }

 private:
  bool IsMade(const FileIdentity& mark) const;
  // Sockets that have been bound since.
  void Settle() const;
  void Note(LedgerRecord record, const std::string& name) const;
  void NoteFile(const FileIdentity& mark, const std::string& path) const;

  const std::vector<std::string> roots_;
  const int ledger_;
  mutable std::map<FileIdentity, std::string> made_;
  mutable std::vector<std::string> socket_names_;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_SUPERVISOR_MADE_FILES_H_
