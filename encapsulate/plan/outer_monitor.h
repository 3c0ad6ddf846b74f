// SPDX-License-Identifier: Apache-2.0
//
// How a process in a sandbox talks to the monitor of the sandbox around it.
//
// The kernel has one watcher for all processes below a filter that has one
// (seccomp(2), EBUSY). Where a sandbox is made inside another one that watches,
// the outer monitor therefore watches for both, and a sandbox inside tells it
// what only it knows: the name of the test, and what the test means to attempt.
//
// A note is an open(2) of a path that doesn't exist, with flags that no program
// uses together: they fail with any file. A monitor knows a note by the flags,
// reads it out of the path, and answers in place of the kernel. Without one the
// call fails. The path is that of nothing, so nothing is ever opened.
//
// Whoever is inside can send notes. What they say is for people, and permits
// nothing.
#ifndef ENCAPSULATE_PLAN_OUTER_MONITOR_H_
#define ENCAPSULATE_PLAN_OUTER_MONITOR_H_

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "encapsulate/violations.h"

namespace encapsulate {

struct Note {
  enum class Kind {
    // Is there a monitor that knows the calls of this table? `text` stands for
    // the table (syscall_table.h). The answer is 0, or kNoNamespacesInside. A
    // monitor that records nothing, as level landlock has without violations,
    // doesn't answer.
    kHello,
    // The processes of the sender's PID namespace belong to the test `text`, as
    // long as the sender lives; where that is the outer sandbox's own, the
    // sender and who descends from it. The answer is 0.
    kTest,
    // From here on, what `rule` says of `text` is expected of the processes of
    // the sender's test, or else in its PID namespace. `number` is the sender's
    // choice. The answer is 0.
    kBeginExpected,
    // And up to here. The answer is how many attempts there were.
    kEndExpected,
  };
  Kind kind = Kind::kHello;
  int64_t number = 0;
  Rule rule = Rule::kWrite;
  std::string text;
};

// What open(2) is called with for a note. The path is cut to what open(2)
// takes.
inline constexpr int kNoteFlags =
    O_WRONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_NONBLOCK | O_CLOEXEC;
std::string NotePath(const Note& note);

// The note of such a path; none if it isn't one.
absl::optional<Note> ParseNote(absl::string_view path);

// The answer of a sandbox without namespaces: it lets nobody make any, and
// trying is a violation.
inline constexpr int kNoNamespacesInside = 1;

// An answer is added to this, which no descriptor reaches.
inline constexpr int kNoteAnswer = 1 << 30;

// Sends the note of NotePath(); -1 if nobody answers, else the answer. Makes
// one system call, without the heap.
inline int SendNote(const char* path) {
  const int answer = open(path, kNoteFlags);
  if (answer >= kNoteAnswer) return answer - kNoteAnswer;
  if (answer >= 0) close(answer);
  return -1;
}

// What asks whether a monitor of this table is there.
Note HelloNote();

}  // namespace encapsulate

#endif  // ENCAPSULATE_PLAN_OUTER_MONITOR_H_
