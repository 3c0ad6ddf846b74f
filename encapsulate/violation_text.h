// SPDX-License-Identifier: Apache-2.0
//
// The text about a violation, for people: what was tried and what the code saw,
// where from, which rule forbids it, what is allowed in its place, and the line
// that would change that. The tool and the plugin show the same.
//
//   tried to open '/usr/x' for writing: read-only file system (EROFS)
//     call     openat(AT_FDCWD, "/usr/x", O_WRONLY|O_CREAT, 0644), 3 times
//     from     Cache::Save() at src/cache.cc:31
//              CacheTest_Saves_Test::TestBody() at src/cache_test.cc:12
//     lines    none: '/src/test' has no debug information; hint: ...
//     test     CacheTest.Saves
//     program  /usr/bin/git, pid 12
//     rule     write: nothing changes outside writable trees
//     instead  write below '/tmp/test'
//     permit   --writable=/usr
//     ignore   --allow=write:/usr/x
//
// With `permit` the attempt would succeed; with `ignore` it fails as before,
// and nobody speaks of it. Symbolize() a violation first: there is no `from`
// without functions. `lines` stands where the program has none.
#ifndef ENCAPSULATE_VIOLATION_TEXT_H_
#define ENCAPSULATE_VIOLATION_TEXT_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "encapsulate/violations.h"

namespace encapsulate {

// In what language a change is proposed.
enum class Language {
  kFlags,  // of the tool: --allow=write:/usr/x
  kCode,   // of the plugin: options.allowed.push_back(...);
};

// Frames of a stack that say nothing about the code under test, those of a test
// framework for example, by what the names of their functions begin with. Those
// of the C and C++ libraries are left out anyway.
struct FramesLeftOut {
  std::vector<std::string> functions;  // these
  std::vector<std::string> callers;    // these, and all that is further out
};

// What the text depends on besides the violation.
struct TextOptions {
  // Of the lines `permit` and `ignore`.
  Language language = Language::kFlags;
  // As seen inside. The one nearest to what was tried is named, and the first
  // if none is near.
  std::vector<std::string> writable;
  // The program that needs no mention, as Violation::program has it.
  std::string program;
  // A read-only directory for which the plugin has an option that lets a test
  // write there and throws that away; "" for none.
  std::string working_directory;
  // Of `from`.
  FramesLeftOut left_out;
};

// The whole text, without a line feed at its end. Its lines start with two
// spaces, but for the first.
std::string DescribeViolation(const Violation& violation,
                              const TextOptions& options);

// --- Its parts --------------------------------------------------------------

// "open '/usr/x' for writing", "connect to 192.0.2.1:80"
std::string DescribeAttempt(const Violation& violation);

// "read-only file system (EROFS)"
std::string DescribeError(const Violation& violation);

// "write below '/tmp/test'"; empty if nothing comes near.
std::string DescribeInstead(const Violation& violation,
                            const TextOptions& options);

// Whether the call opens its target, which may be there already.
bool OpensTarget(const Violation& violation);

// The tree that must be writable for the attempt to succeed; empty if that
// wouldn't help.
std::string TreeToPermit(const Violation& violation);

// The line with which the attempt would succeed; empty if there is none. Some
// give much away: `--network=host` isolates nothing.
std::string PermitLine(const Violation& violation, Language language);

// The line that adds the violation to Options::allowed, and what it is called
// in the next run (AllowPattern()).
std::string IgnoreLine(const Violation& violation, Language language);

// `text` as one word for a shell, quoted if it must be.
std::string ShellWord(const std::string& text);

// "from     Cache::Save() at src/cache.cc:31": a line of the text without the
// spaces before it. The label is empty where the line belongs to the one
// before.
std::string PartLine(absl::string_view label, absl::string_view text);

// "Cache::Save() at src/cache.cc:31", "sqlite3_open in /usr/lib/libsqlite3.so"
std::string DescribeFrame(const Frame& frame);

// The frames that tell something, innermost first, at most eight: of functions
// that are known, without those of the C and C++ libraries and `left_out`.
std::vector<Frame> FramesToShow(const Violation& violation,
                                const FramesLeftOut& left_out = {});

// Where the code under test made the attempt: the innermost of FramesToShow()
// with a file that isn't a system header. Null if there is none, and valid as
// long as the violation is.
const Frame* OwnFrame(const Violation& violation,
                      const FramesLeftOut& left_out = {});

}  // namespace encapsulate

#endif  // ENCAPSULATE_VIOLATION_TEXT_H_
