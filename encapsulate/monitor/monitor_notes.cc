// SPDX-License-Identifier: Apache-2.0
//
// The monitor's part that hears notes of sandboxes inside, which leave watching
// to it: see plan/outer_monitor.h.
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <tuple>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "encapsulate/inspect/processes.h"
#include "encapsulate/inspect/test_names.h"
#include "encapsulate/kernel/syscalls.h"
#include "encapsulate/monitor/monitor.h"
#include "encapsulate/plan/outer_monitor.h"

namespace encapsulate {
namespace {

// Named at the same time, and expected by notes. Whoever is inside can send
// more.
constexpr size_t kMostTests = 256;
constexpr size_t kMostNoted = 1000;

}  // namespace

void Monitor::AnswerNote(const seccomp_notif& notification,
                         const ThreadView& thread, const SyscallArgs& call) {
  const absl::optional<std::string> path = thread.ReadString(call.arguments[1]);
  const absl::optional<Note> note =
      path.has_value() ? ParseNote(*path) : absl::nullopt;
  std::string space = SpaceOf(thread);
  if (!StillWaits(notification.id)) return;
  absl::optional<int> answer;
  if (note.has_value() && !space.empty()) {
    answer = HandleNote(thread, *note, std::move(space));
  }
  if (answer.has_value()) {
    Respond(notification.id, /*error=*/0, int64_t{kNoteAnswer} + *answer,
            /*flags=*/0);
  } else {
    Reply(notification.id, {});
  }
}

absl::optional<int> Monitor::HandleNote(const ThreadView& thread,
                                        const Note& note, std::string space) {
  switch (note.kind) {
    case Note::Kind::kHello:
      if (note.text != HelloNote().text || !setup_.record) return absl::nullopt;
      return setup_.supervisor == nullptr ? 0 : kNoNamespacesInside;
    case Note::Kind::kTest: {
      DropEndedTests();
      UniqueFd process(sys::PidfdOpen(thread.tid()));
      if (!process.valid() || tests_.size() >= kMostTests) return absl::nullopt;
      if (space == own_space_) {
        const pid_t pid = thread.tid();
        tests_[absl::StrCat("process ", pid)] = {note.text, std::move(process),
                                                 pid};
      } else {
        tests_[std::move(space)] = {note.text, std::move(process)};
      }
      return 0;
    }
    case Note::Kind::kBeginExpected: {
      const auto noted = absl::c_count_if(
          expected_, [](const Expected& one) { return !one.space.empty(); });
      if (static_cast<size_t>(noted) >= kMostNoted) return absl::nullopt;
      BeginExpected(note.rule, note.text);
      expected_.back().space = std::move(space);
      expected_.back().note = note.number;
      return 0;
    }
    case Note::Kind::kEndExpected:
      return CountExpected(space, note.number);
  }
  return absl::nullopt;
}

int Monitor::CountExpected(const std::string& space, int64_t note) {
  const auto ended = absl::c_find_if(expected_, [&](const Expected& one) {
    return one.space == space && one.note == note;
  });
  if (ended == expected_.end()) return 0;
  const auto test = tests_.find(space);
  std::tuple<Rule, std::string, std::string> use(
      ended->rule, ended->target,
      test == tests_.end() ? "" : test->second.name);
  uint64_t count = 0;
  for (const Violation& violation : EndExpected(ended->number)) {
    count += violation.count;
  }
  if (count > 0 &&
      (expected_uses_.size() < kMostNoted || expected_uses_.count(use) != 0)) {
    expected_uses_[std::move(use)] += count;
  } else {
    // Too many to list: then they are what they would be without a note.
    record_.beyond += count;
  }
  return static_cast<int>(std::min<uint64_t>(count, INT16_MAX));
}

void Monitor::EndNotes(const std::string& space) {
  for (;;) {
    const auto left = absl::c_find_if(expected_, [&](const Expected& one) {
      return !one.space.empty() && (space.empty() || one.space == space);
    });
    if (left == expected_.end()) return;
    CountExpected(std::string(left->space), left->note);
  }
}

ViolationRecord Monitor::TakeRecord() {
  EndNotes("");
  record_.allowed = AllowedUses();
  return std::move(record_);
}

void Monitor::DropEndedTests() {
  for (auto test = tests_.begin(); test != tests_.end();) {
    if (test->second.IsAlive()) {
      ++test;
      continue;
    }
    EndNotes(test->first);
    test = tests_.erase(test);
  }
}

std::string Monitor::TestOf(const ThreadView& thread,
                            const std::string& program) const {
  if (!tests_.empty()) {
    const auto test = tests_.find(SpaceOf(thread));
    if (test != tests_.end() && test->second.IsAlive()) {
      return test->second.name;
    }
  }
  return NameOfTest(thread, program);
}

std::string Monitor::SpaceOf(const ThreadView& thread) const {
  std::string space = PidNamespaceOf(thread);
  if (space != own_space_) return space;
  const auto test = absl::c_find_if(tests_, [&](const auto& one) {
    return one.second.pid != 0 && one.second.IsAlive() &&
           one.second.Has(thread.tid());
  });
  return test == tests_.end() ? space : test->first;
}

bool Monitor::NamedTest::IsAlive() const {
  struct pollfd event = {process.get(), POLLIN, 0};
  return poll(&event, 1, 0) == 0;
}

bool Monitor::NamedTest::Has(pid_t tid) const {
  return tid == pid || Descends(tid, pid) ||
         access(absl::StrCat("/proc/", pid, "/task/", tid).c_str(), F_OK) == 0;
}

}  // namespace encapsulate
