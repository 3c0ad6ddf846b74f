// SPDX-License-Identifier: Apache-2.0
//
// How the process of a test tells its parent what happens.
//
// Records go into a log in shared memory, which survives whatever the test
// does to its descriptors, and a crash keeps what came before it. A pipe is
// only the bell: the child rings after a record and waits until the parent has
// dealt with it, so that what both print comes in order. The end of a test is
// a record of its own, never the end of a stream.
//
// Nothing that the child does makes the parent wait: it reads the bell without
// waiting and answers by a word in the shared memory (futex(2)), and what is in
// that memory is bounded and checked (records.h). A pipe carries no
// descriptors, so none gets out of the sandbox.
#ifndef GTEST_PLUGIN_SHARED_CHANNEL_H_
#define GTEST_PLUGIN_SHARED_CHANNEL_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "encapsulate/base/unique_fd.h"
#include "gtest_plugin/shared/records.h"

namespace encapsulate {

// What the parent says when it has dealt with a record.
enum class Answer : char {
  kGoOn = 'g',
  kThrow = 't',    // a listener threw testing::AssertionException
  kBlocked = 'b',  // what was expected has been attempted, and blocked
  kNothing = 'n',  // it hasn't
  kNobody = '\0',  // none yet, or the bell is gone
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

  // The parent's end of the bell: readable when the child rang. The parent has
  // the child's end as well, and so doesn't hear of the end of that.
  int bell() const { return bell_.get(); }
  struct Received {
    bool ring = false;
    bool report = false;
  };
  // Takes in what made the bell readable.
  Received Receive();
  void Reply(Answer answer);

  // The next record that the parent hasn't seen.
  absl::optional<Record> Next();
  // Why there are no more records to be had; "" if there may be.
  const std::string& damage() const { return reader_.damage(); }
  std::string Report() const;
  bool overflowed() const;

 private:
  struct Shared;

  bool HasBell() const;

  Shared* shared_ = nullptr;
  RecordReader reader_;
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

#endif  // GTEST_PLUGIN_SHARED_CHANNEL_H_
