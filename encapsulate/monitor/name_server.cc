// SPDX-License-Identifier: Apache-2.0

#include "encapsulate/monitor/name_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace encapsulate {
namespace {

// A stream of questions must not keep the caller from other work.
constexpr int kQuestionsInARow = 64;
constexpr size_t kMaxConnections = 32;

// RFC 1035, 4.1.
constexpr size_t kHeaderSize = 12;
constexpr uint16_t kResponse = 0x8000;
constexpr uint16_t kOpcode = 0x7800;
constexpr uint16_t kRecursionDesired = 0x0100;
constexpr uint16_t kRecursionAvailable = 0x0080;
enum class Code : uint16_t {
  kNoError = 0,
  kFormatError = 1,
  kNameError = 3,  // NXDOMAIN
  kNotImplemented = 4,
};
constexpr uint16_t kTypeA = 1;
constexpr uint16_t kTypePtr = 12;
constexpr uint16_t kTypeAaaa = 28;

uint16_t Number(absl::string_view bytes, size_t at) {
  return static_cast<uint16_t>(static_cast<unsigned char>(bytes[at]) << 8 |
                               static_cast<unsigned char>(bytes[at + 1]));
}

void Append(uint16_t number, std::string* out) {
  out->push_back(static_cast<char>(number >> 8));
  out->push_back(static_cast<char>(number & 0xff));
}

// Reads the name at `*at`, which then is behind it. Questions have no pointers.
bool ReadName(absl::string_view bytes, size_t* at, std::string* name) {
  name->clear();
  for (;;) {
    if (*at >= bytes.size()) return false;
    const size_t length = static_cast<unsigned char>(bytes[*at]);
    ++*at;
    if (length == 0) return true;
    if (length > 63 || bytes.size() - *at < length) return false;
    if (!name->empty()) name->push_back('.');
    for (char c : bytes.substr(*at, length)) {
      const auto byte = static_cast<unsigned char>(c);
      if (c != '.' && c != '\\' && absl::ascii_isgraph(byte)) {
        name->push_back(absl::ascii_tolower(byte));
      } else {
        absl::StrAppendFormat(name, "\\%03d", byte);
      }
    }
    *at += length;
  }
}

// The record's data if `name` is local, empty for types that it doesn't have.
bool FindLocal(const std::string& name, uint16_t type,
               absl::string_view host_name, std::string* data) {
  static const std::string* const loopback_6 =
      new std::string(std::string(15, '\0') + '\1');
  static const std::string* const ip6_arpa = [] {
    auto* const text = new std::string("1");
    for (int i = 0; i < 31; ++i) absl::StrAppend(text, ".0");
    absl::StrAppend(text, ".ip6.arpa");
    return text;
  }();
  if (name == "localhost" || absl::EndsWith(name, ".localhost") ||
      (!host_name.empty() && name == absl::AsciiStrToLower(host_name))) {
    if (type == kTypeA) *data = std::string("\x7f\0\0\1", 4);
    if (type == kTypeAaaa) *data = *loopback_6;
    return true;
  }
  if (name == "1.0.0.127.in-addr.arpa" || name == *ip6_arpa) {
    if (type == kTypePtr) *data = std::string("\x09localhost\0", 11);
    return true;
  }
  return false;
}

}  // namespace

std::string AnswerDns(absl::string_view query, absl::string_view host_name,
                      Question* asked) {
  *asked = {};
  if (query.size() < kHeaderSize) return "";
  const uint16_t flags = Number(query, 2);
  if ((flags & kResponse) != 0) return "";
  size_t end = kHeaderSize;
  std::string name;
  std::string data;
  uint16_t type = 0;
  Code code = Code::kNameError;
  bool has_question = false;
  if ((flags & kOpcode) != 0) {
    code = Code::kNotImplemented;
  } else if (Number(query, 4) != 1 || !ReadName(query, &end, &name) ||
             query.size() - end < 4) {
    code = Code::kFormatError;
  } else {
    has_question = true;
    type = Number(query, end);
    end += 4;
    if (FindLocal(name, type, host_name, &data)) {
      code = Code::kNoError;
    } else {
      *asked = {name.empty() ? "." : name, type};
    }
  }
  std::string answer(query.substr(0, 2));
  Append(static_cast<uint16_t>(kResponse | kRecursionAvailable |
                               (flags & (kOpcode | kRecursionDesired)) |
                               static_cast<uint16_t>(code)),
         &answer);
  Append(has_question ? 1 : 0, &answer);
  Append(data.empty() ? 0 : 1, &answer);
  Append(0, &answer);
  Append(0, &answer);
  if (has_question) {
    absl::StrAppend(&answer, query.substr(kHeaderSize, end - kHeaderSize));
  }
  if (!data.empty()) {
    Append(0xc000 | kHeaderSize, &answer);  // the question's name
    Append(type, &answer);
    Append(1, &answer);  // the Internet's
    Append(0, &answer);  // seconds to live, in two halves
    Append(0, &answer);
    Append(static_cast<uint16_t>(data.size()), &answer);
    absl::StrAppend(&answer, data);
  }
  return answer;
}

NameServer::NameServer(UniqueFd datagrams, UniqueFd stream,
                       std::string host_name, Ask ask)
    : datagrams_(std::move(datagrams)),
      stream_(std::move(stream)),
      host_name_(std::move(host_name)),
      ask_(std::move(ask)),
      events_(epoll_create1(EPOLL_CLOEXEC)) {
  if (!Watch(datagrams_.get()) || !Watch(stream_.get())) events_.Reset();
}

bool NameServer::Watch(int fd) const {
  struct epoll_event event = {};
  event.events = EPOLLIN;
  return epoll_ctl(events_.get(), EPOLL_CTL_ADD, fd, &event) == 0;
}

void NameServer::Handle() {
  AnswerDatagrams();
  Accept();
  connections_.erase(std::remove_if(connections_.begin(), connections_.end(),
                                    [this](Connection& connection) {
                                      return !AnswerStream(&connection);
                                    }),
                     connections_.end());
}

void NameServer::Disown() const {
  for (const Connection& connection : connections_) {
    connection.socket.CloseInChild();
  }
  for (const UniqueFd* fd : {&datagrams_, &stream_, &events_}) {
    fd->CloseInChild();
  }
}

std::string NameServer::Answer(absl::string_view query, bool tcp, int port) {
  Question asked;
  std::string answer = AnswerDns(query, host_name_, &asked);
  if (!asked.name.empty()) ask_(asked, tcp, port);
  return answer;
}

void NameServer::AnswerDatagrams() {
  char buffer[4096];
  for (int i = 0; i < kQuestionsInARow; ++i) {
    struct sockaddr_in peer = {};
    auto* const address = reinterpret_cast<sockaddr*>(&peer);
    socklen_t peer_size = sizeof(peer);
    const ssize_t size = recvfrom(datagrams_.get(), buffer, sizeof(buffer), 0,
                                  address, &peer_size);
    if (size < 0) return;
    const std::string answer =
        Answer(absl::string_view(buffer, static_cast<size_t>(size)),
               /*tcp=*/false, ntohs(peer.sin_port));
    if (answer.empty()) continue;
    // Who doesn't wait for it any more needs none.
    static_cast<void>(sendto(datagrams_.get(), answer.data(), answer.size(), 0,
                             address, peer_size));
  }
}

void NameServer::Accept() {
  for (int i = 0; i < kQuestionsInARow; ++i) {
    struct sockaddr_in peer = {};
    socklen_t peer_size = sizeof(peer);
    Connection connection;
    connection.socket =
        UniqueFd(accept4(stream_.get(), reinterpret_cast<sockaddr*>(&peer),
                         &peer_size, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!connection.socket.valid() || !Watch(connection.socket.get())) return;
    connection.port = ntohs(peer.sin_port);
    if (connections_.size() == kMaxConnections) {
      connections_.erase(connections_.begin());
    }
    connections_.push_back(std::move(connection));
  }
}

bool NameServer::AnswerStream(Connection* connection) {
  char buffer[4096];
  for (int i = 0; i < kQuestionsInARow; ++i) {
    const ssize_t size =
        recv(connection->socket.get(), buffer, sizeof(buffer), 0);
    if (size == 0) return false;
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    std::string& received = connection->received;
    received.append(buffer, static_cast<size_t>(size));
    // Each message comes after its size (RFC 1035, 4.2.2).
    while (received.size() >= 2 && received.size() - 2 >= Number(received, 0)) {
      const size_t length = Number(received, 0);
      const std::string answer =
          Answer(absl::string_view(received).substr(2, length), /*tcp=*/true,
                 connection->port);
      received.erase(0, 2 + length);
      std::string framed;
      Append(static_cast<uint16_t>(answer.size()), &framed);
      absl::StrAppend(&framed, answer);
      if (send(connection->socket.get(), framed.data(), framed.size(),
               MSG_NOSIGNAL) != static_cast<ssize_t>(framed.size())) {
        return false;  // it asks faster than it listens
      }
    }
  }
  return true;
}

}  // namespace encapsulate
