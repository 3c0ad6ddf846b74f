#include "gtest_plugin/channel.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace encapsulate {
namespace {

struct Header {
  RecordKind kind;
  uint32_t size;  // of the whole record
  int64_t numbers[3];
  int64_t text_sizes[2];  // -1: no text
};

constexpr size_t kAlignment = alignof(Header);

// Low numbers are the test's, which would get other ones in this process than
// in an ordinary run.
constexpr int kLowestDescriptor = 700;

constexpr char kRingByte = '!';
constexpr char kReportByte = 'r';

UniqueFd MoveUp(UniqueFd fd) {
  UniqueFd moved(fcntl(fd.get(), F_DUPFD_CLOEXEC, kLowestDescriptor));
  return moved.valid() ? std::move(moved) : std::move(fd);
}

}  // namespace

struct Channel::Shared {
  std::atomic<uint64_t> committed;
  std::atomic<bool> writing;
  std::atomic<bool> overflowed;
  std::atomic<uint32_t> report_size;
  char report[kReportSize];
  alignas(kAlignment) char records[kRecordsSize];
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
      return absl::ErrnoToStatus(errno, "cannot map memory for results");
    }
    shared_ = static_cast<Shared*>(memory);
  } else if (shared_->committed > (size_t{1} << 20)) {
    // Gives the pages back; they read as zeros again.
    madvise(shared_, sizeof(Shared), MADV_REMOVE);
  }
  madvise(shared_, sizeof(Shared), MADV_DOFORK);
  shared_->committed = 0;
  shared_->writing = false;
  shared_->overflowed = false;
  shared_->report_size = 0;
  seen_ = 0;

  int sockets[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) != 0) {
    return absl::ErrnoToStatus(errno, "cannot make a socket pair");
  }
  bell_ = UniqueFd(sockets[0]);
  child_bell_ = MoveUp(UniqueFd(sockets[1]));
  struct stat info = {};
  fstat(child_bell_.get(), &info);
  bell_device_ = info.st_dev;
  bell_inode_ = info.st_ino;
  return absl::OkStatus();
}

void Channel::EnterChild() { bell_.Reset(); }
void Channel::EnterParent() {
  madvise(shared_, sizeof(Shared), MADV_DONTFORK);
  child_bell_.Reset();
}

// The process's end may have been heard of before that of the bell.
void Channel::Close() { bell_.Reset(); }

void Channel::Disown() {
  // The memory isn't in this process.
  shared_ = nullptr;
  bell_.Reset();
}

void Channel::Append(RecordKind kind, const int64_t (&numbers)[3],
                     const char* text, const char* other_text) {
  // Results come one at a time, under GoogleTest's mutex; only the process's
  // death can come in between, and may be lost then.
  if (shared_->writing.exchange(true)) return;
  Header header = {};
  header.kind = kind;
  memcpy(header.numbers, numbers, sizeof(numbers));
  const char* const texts[] = {text, other_text};
  size_t size = sizeof(header);
  for (int i = 0; i < 2; ++i) {
    header.text_sizes[i] =
        texts[i] != nullptr ? static_cast<int64_t>(strlen(texts[i])) : -1;
    if (texts[i] != nullptr) size += static_cast<size_t>(header.text_sizes[i]);
  }
  const size_t start = shared_->committed;
  size = (size + kAlignment - 1) / kAlignment * kAlignment;
  if (size > kRecordsSize - start) {
    shared_->overflowed = true;
    shared_->writing = false;
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
  shared_->writing = false;
}

// A test that closes every descriptor may have got this number again.
bool Channel::HasBell() const {
  struct stat info;
  return fstat(child_bell_.get(), &info) == 0 && info.st_ino == bell_inode_ &&
         info.st_dev == bell_device_;
}

Answer Channel::Ring() {
  if (!HasBell()) return Answer::kNobody;
  char byte = kRingByte;
  while (send(child_bell_.get(), &byte, 1, MSG_NOSIGNAL) < 0) {
    if (errno != EINTR) return Answer::kNobody;
  }
  for (;;) {
    const ssize_t size = recv(child_bell_.get(), &byte, 1, 0);
    if (size == 1) return static_cast<Answer>(byte);
    if (size == 0 || errno != EINTR) return Answer::kNobody;
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
  static_cast<void>(
      send(child_bell_.get(), &kReportByte, 1, MSG_NOSIGNAL | MSG_DONTWAIT));
}

Channel::Heard Channel::Hear() {
  char byte;
  const ssize_t size = recv(bell_.get(), &byte, 1, MSG_DONTWAIT);
  if (size == 1) return byte == kReportByte ? Heard::kReport : Heard::kRing;
  if (size == 0) bell_.Reset();
  return Heard::kNothing;
}

void Channel::Reply(Answer answer) {
  const char byte = static_cast<char>(answer);
  static_cast<void>(send(bell_.get(), &byte, 1, MSG_NOSIGNAL));
}

absl::optional<Record> Channel::Next() {
  const size_t end = shared_->committed;
  if (seen_ >= end) return absl::nullopt;
  Header header;
  memcpy(&header, shared_->records + seen_, sizeof(header));
  Record record;
  record.kind = header.kind;
  memcpy(record.numbers, header.numbers, sizeof(record.numbers));
  const char* from = shared_->records + seen_ + sizeof(header);
  for (int i = 0; i < 2; ++i) {
    if (header.text_sizes[i] < 0) continue;
    record.texts[i].assign(from, static_cast<size_t>(header.text_sizes[i]));
    from += header.text_sizes[i];
  }
  seen_ += header.size;
  return record;
}

std::string Channel::Report() const {
  const size_t size = shared_->report_size;
  return std::string(shared_->report, std::min(size, kReportSize));
}

bool Channel::overflowed() const { return shared_->overflowed; }

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
