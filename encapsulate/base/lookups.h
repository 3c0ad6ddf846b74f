// SPDX-License-Identifier: Apache-2.0
//
// What was found when something was worked out, to tell later whether it would
// come out the same.
//
//   Lookups seen;
//   seen.Add("/etc/hosts", Lookups::Depth::kContent);  // before it is read
//   const std::string hosts = Read("/etc/hosts");
//   ...
//   if (!seen.AreSame()) ...  // read it again
//
// To ask takes no heap, and a system call or two for each of them. Times of
// files are as fine as the filesystem's, so one that is written again right
// after it was read may look the same: what was read of a file within two
// seconds of its latest change never is. Whether the process is another one,
// and what is mounted, is for the caller to compare.
#ifndef ENCAPSULATE_BASE_LOOKUPS_H_
#define ENCAPSULATE_BASE_LOOKUPS_H_

#include <climits>
#include <cstdint>
#include <string>
#include <vector>

namespace encapsulate {

class Lookups {
 public:
  // One that doesn't note anything is for those who won't ask.
  explicit Lookups(bool notes = true) : notes_(notes) {}

  enum class Depth {
    // Which file the path leads to, of what type; or that there is none.
    kFile,
    // And its owner, mode, size and times.
    kContent,
  };
  void Add(const std::string& path, Depth depth = Depth::kFile);

  // What realpath(3) makes of the path as well.
  void AddRealPath(const std::string& path, Depth depth = Depth::kFile);

  // The working directory, by its path.
  void AddDirectory();

  // Which file a descriptor leads to, and what it is open for.
  void AddDescriptor(int fd);

  void AddHostName();

  // Whether the file's mount can be written.
  void AddMount(const std::string& path);

  bool AreSame() const;

  // In seconds: the coarsest clock of any filesystem's (FAT), and some more.
  static constexpr int kClockTick = 3;

 private:
  enum class Kind { kFile, kContent, kDirectory, kDescriptor, kHost, kMount };
  struct Seen {
    int error = 0;
    uint64_t device = 0;
    uint64_t inode = 0;
    uint64_t special = 0;  // a device's number
    uint64_t size = 0;
    int64_t born = 0;  // nanoseconds
    int64_t modified = 0;
    int64_t changed = 0;
    uint32_t mode = 0;
    uint32_t owner = 0;
    uint32_t group = 0;
    int flags = 0;
  };
  struct Lookup {
    Kind kind;
    std::string path;
    int fd = -1;
    Seen seen;
    bool real = false;  // compare `text` with realpath(3)'s result
    std::string text;
    bool too_young = false;  // to be told from what is written next
  };

  static Seen Look(const Lookup& lookup);
  // "" if there is none.
  static void ReadText(const Lookup& lookup, char (&text)[PATH_MAX]);
  void Add(Lookup lookup);

  bool notes_;
  std::vector<Lookup> lookups_;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_BASE_LOOKUPS_H_
