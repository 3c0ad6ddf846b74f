// SPDX-License-Identifier: Apache-2.0

#include "gtest_plugin/shared/channel.h"

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "encapsulate/base/error.h"

namespace encapsulate {
namespace {

// Low numbers are the test's, which would get other ones in this process than
// in an ordinary run.
constexpr int kLowestDescriptor = 700;

// Of the memory, which stays a channel's from one test to the next.
constexpr size_t kKeptSize = size_t{1} << 20;

constexpr char kRingByte = '!';
constexpr char kReportByte = 'r';

UniqueFd MoveUp(UniqueFd fd) {
  UniqueFd moved(fcntl(fd.get(), F_DUPFD_CLOEXEC, kLowestDescriptor));
  return moved.valid() ? std::move(moved) : std::move(fd);
}

}  // namespace

struct Channel::Shared {
  // Numbers: what a stray write leaves there is a value of their type too.
  std::atomic<uint64_t> committed;
  std::atomic<uint32_t> writing;
  std::atomic<uint32_t> overflowed;
  std::atomic<uint32_t> report_size;
  std::atomic<uint32_t> answer;  // an Answer
  char report[kReportSize];
  alignas(kRecordAlignment) char records[kRecordsSize];
};

Channel::~Channel() {
  if (shared_ != nullptr) munmap(shared_, sizeof(Shared));
}

absl::Status Channel::Open() {
  if (shared_ == nullptr) {
    void* const memory =
        mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
      return MakeFailure(
          {FailureKind::kHostRefused, "map memory for results", "", "", errno});
    }
    shared_ = static_cast<Shared*>(memory);
  } else {
    // Gives back the pages but for the first ones, whatever the last test says
    // of how many it has used.
    madvise(reinterpret_cast<char*>(shared_) + kKeptSize,
            sizeof(Shared) - kKeptSize, MADV_REMOVE);
  }
  madvise(shared_, sizeof(Shared), MADV_DOFORK);
  shared_->committed = 0;
  shared_->writing = 0;
  shared_->overflowed = 0;
  shared_->report_size = 0;
  shared_->answer = 0;
  reader_ = RecordReader(shared_->records, kRecordsSize);

  int ends[2];
  if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    return MakeFailure(
        {FailureKind::kHostRefused, "make a pipe", "", "", errno});
  }
  bell_ = UniqueFd(ends[0]);
  child_bell_ = MoveUp(UniqueFd(ends[1]));
  struct stat info = {};
  fstat(child_bell_.get(), &info);
  bell_device_ = info.st_dev;
  bell_inode_ = info.st_ino;
  return absl::OkStatus();
}

void Channel::EnterChild() { bell_.Reset(); }
void Channel::EnterParent() { madvise(shared_, sizeof(Shared), MADV_DONTFORK); }

void Channel::Close() {
  bell_.Reset();
  child_bell_.Reset();
}

void Channel::Disown() {
  // The memory isn't in this process.
  shared_ = nullptr;
  bell_.Reset();
  child_bell_.Reset();
}

void Channel::Append(RecordKind kind, const int64_t (&numbers)[3],
                     const char* text, const char* other_text) {
  // Results come one at a time, under GoogleTest's mutex; only the process's
  // death can come in between, and may be lost then.
  if (shared_->writing.exchange(1) != 0) return;
  RecordHeader header = {};
  header.kind = static_cast<uint32_t>(kind);
  memcpy(header.numbers, numbers, sizeof(numbers));
  const char* const texts[] = {text, other_text};
  size_t size = sizeof(header);
  for (int i = 0; i < 2; ++i) {
    header.text_sizes[i] =
        texts[i] != nullptr ? static_cast<int64_t>(strlen(texts[i])) : -1;
    if (texts[i] != nullptr) size += static_cast<size_t>(header.text_sizes[i]);
  }
  const size_t start = shared_->committed;
  size = (size + kRecordAlignment - 1) / kRecordAlignment * kRecordAlignment;
  if (start > kRecordsSize || size > kRecordsSize - start) {
    shared_->overflowed = 1;
    shared_->writing = 0;
    return;
  }
  header.size = static_cast<uint32_t>(size);
  char* to = shared_->records + start;
  memcpy(to, &header, sizeof(header));
  to += sizeof(header);
  for (int i = 0; i < 2; ++i) {
    if (texts[i] == nullptr) continue;
    const auto length = static_cast<size_t>(header.text_sizes[i]);
    memcpy(to, texts[i], length);
    to += length;
  }
  shared_->committed = start + size;
  shared_->writing = 0;
}

// A test that closes every descriptor may have got this number again.
bool Channel::HasBell() const {
  struct stat info;
  return fstat(child_bell_.get(), &info) == 0 && info.st_ino == bell_inode_ &&
         info.st_dev == bell_device_;
}

Answer Channel::Ring() {
  if (!HasBell()) return Answer::kNobody;
  shared_->answer = 0;
  // A bell that is full rings too.
  while (write(child_bell_.get(), &kRingByte, 1) < 0 && errno != EAGAIN) {
    if (errno != EINTR) return Answer::kNobody;
  }
  // If the program ends, so does this process.
  for (;;) {
    const uint32_t answer = shared_->answer;
    if (answer != 0) return static_cast<Answer>(answer);
    syscall(SYS_futex, &shared_->answer, FUTEX_WAIT, 0, nullptr, nullptr, 0);
  }
}

void Channel::AddToReport(const char* text, size_t size) {
  const uint32_t start =
      shared_->report_size.fetch_add(static_cast<uint32_t>(size));
  if (start >= kReportSize) return;
  memcpy(shared_->report + start, text, std::min(size, kReportSize - start));
}

void Channel::Announce() {
  if (!HasBell()) return;
  static_cast<void>(write(child_bell_.get(), &kReportByte, 1) == 1);
}

Channel::Received Channel::Receive() {
  Received heard;
  char bytes[4096];
  const ssize_t size = read(bell_.get(), bytes, sizeof(bytes));
  for (ssize_t i = 0; i < size; ++i) {
    heard.ring |= bytes[i] == kRingByte;
    heard.report |= bytes[i] == kReportByte;
  }
  return heard;
}

void Channel::Reply(Answer answer) {
  shared_->answer = static_cast<uint32_t>(answer);
  syscall(SYS_futex, &shared_->answer, FUTEX_WAKE, INT_MAX, nullptr, nullptr,
          0);
}

absl::optional<Record> Channel::Next() {
  return reader_.Next(shared_->committed);
}

std::string Channel::Report() const {
  const size_t size = shared_->report_size;
  return std::string(shared_->report, std::min(size, kReportSize));
}

bool Channel::overflowed() const { return shared_->overflowed != 0; }

std::unique_ptr<Channel> ChannelPool::Take() {
  if (channels_.empty()) return std::make_unique<Channel>();
  std::unique_ptr<Channel> channel = std::move(channels_.back());
  channels_.pop_back();
  return channel;
}

void ChannelPool::Give(std::unique_ptr<Channel> channel) {
  channel->Close();
  channels_.push_back(std::move(channel));
}

}  // namespace encapsulate
