// How the process of a test tells its parent what happens.
//
// Records go into a log in shared memory, which survives whatever the test
// does to its descriptors, and a crash keeps what came before it. A socket is
// only the bell: the child rings after a record and waits until the parent has
// dealt with it, so that what both print comes in order. The end of a test is
// a record of its own, never the end of a stream.
#ifndef GTEST_PLUGIN_CHANNEL_H_
#define GTEST_PLUGIN_CHANNEL_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "encapsulate/unique_fd.h"

namespace encapsulate {

enum class RecordKind : uint32_t {
  kResult,    // numbers: type, line; texts: file, message
  kProperty,  // texts: key, value
  kDone,      // numbers: elapsed time in us
  kSignal,    // a signal that ends the process; numbers: signal, code, address
  kExit,      // exit() was called; numbers: status
  kStray,     // a process that the test had forked came back; numbers: pid
  kDeath,     // a sanitizer ends the process
  // ExpectBlocked begins; numbers: its own, rule, line; texts: target, file
  kBeginExpected,
  kEndExpected,  // and ends; numbers: its own
};

// clang-tidy 14 trips over the arrays' hidden loop variable.
// NOLINTNEXTLINE(bugprone-reserved-identifier,readability-identifier-naming)
struct Record {
  RecordKind kind = RecordKind::kDone;
  int64_t numbers[3] = {};
  std::string texts[2];  // empty if there is none
};

// What the parent says when it has dealt with a record.
enum class Answer : char {
  kGoOn = 'g',
  kThrow = 't',    // a listener threw testing::AssertionException
  kBlocked = 'b',  // what was expected has been attempted, and blocked
  kNothing = 'n',  // it hasn't
  kNobody = '\0',  // the bell is gone
};

class Channel {
 public:
  // Bytes of records and of report that one test can have.
  static constexpr size_t kRecordsSize = size_t{48} << 20;
  static constexpr size_t kReportSize = size_t{256} << 10;

  Channel() = default;
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  // Parent: gets ready for the next test, whose process is forked between
  // this and EnterParent() or EnterChild(). No other process gets the channel.
  absl::Status Open();
  void EnterParent();
  // The test is over: no process that is forked from now on gets the bell.
  void Close();

  // --- Child ----------------------------------------------------------------

  void EnterChild();
  // In a process that the channel isn't for.
  void Disown();

  // Appends a record. The texts may be null. Safe in a signal handler: no heap
  // and no lock that is waited for. A record that doesn't fit is dropped, and
  // the log says so.
  void Append(RecordKind kind, const int64_t (&numbers)[3],
              const char* text = nullptr, const char* other_text = nullptr);

  // Rings and waits for the answer.
  Answer Ring();

  // Tells the parent, without waiting, that the report is complete. Safe in a
  // signal handler.
  void Announce();

  // Text for the end of a report, from a signal handler; several threads may
  // call it.
  void AddToReport(const char* text, size_t size);

  // --- Parent ---------------------------------------------------------------

  // The parent's end of the bell: readable when the child rang. -1 once the
  // child's end is gone.
  int bell() const { return bell_.get(); }
  enum class Heard { kNothing, kRing, kReport };
  // Takes in what made the bell readable.
  Heard Hear();
  void Reply(Answer answer);

  // The next record that the parent hasn't seen.
  absl::optional<Record> Next();
  std::string Report() const;
  bool overflowed() const;

 private:
  struct Shared;

  bool HasBell() const;

  Shared* shared_ = nullptr;
  size_t seen_ = 0;
  UniqueFd bell_;
  UniqueFd child_bell_;
  dev_t bell_device_ = 0;
  ino_t bell_inode_ = 0;
};

// Channels to be used again, because each has its own memory.
class ChannelPool {
 public:
  std::unique_ptr<Channel> Take();
  void Give(std::unique_ptr<Channel> channel);

 private:
  std::vector<std::unique_ptr<Channel>> channels_;
};

}  // namespace encapsulate

#endif  // GTEST_PLUGIN_CHANNEL_H_
