// SPDX-License-Identifier: Apache-2.0
//
// The name server of a watched sandbox: it knows nobody but localhost, says so
// at once, and tells who was asked for.
//
// It listens at 127.0.0.1:53 of the sandbox's own network, where its
// resolv.conf points; the caller's thread answers. Without it, what a program
// wanted to reach would be a name server's address, and how long it waits for
// an answer the program's affair.
#ifndef ENCAPSULATE_MONITOR_NAME_SERVER_H_
#define ENCAPSULATE_MONITOR_NAME_SERVER_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "encapsulate/base/unique_fd.h"

namespace encapsulate {

struct Question {
  std::string name;   // "example.com", lower-case, odd bytes as \DDD
  uint16_t type = 0;  // of the record: 1 is A, 28 AAAA
};

// The answer to a DNS message (RFC 1035); empty if it deserves none. localhost,
// what ends in .localhost and `host_name` have loopback's addresses, and those
// the name localhost. Of any other name it says NXDOMAIN, and stores it in
// `asked`, whose name is empty else.
std::string AnswerDns(absl::string_view query, absl::string_view host_name,
                      Question* asked);

class NameServer {
 public:
  // `ask` hears of every question for a name that isn't local, and through
  // which port of loopback it came.
  using Ask = std::function<void(const Question& asked, bool tcp, int port)>;

  // Both bound to 127.0.0.1:53, and not blocking. Check valid() before use.
  NameServer(UniqueFd datagrams, UniqueFd stream, std::string host_name,
             Ask ask);

  bool valid() const { return events_.valid(); }

  // Polls readable while there is something to do.
  int descriptor() const { return events_.get(); }

  // Does it, without waiting.
  void Handle();

  // For a child that serves nobody: closes everything.
  void Disown() const;

 private:
  struct Connection {
    UniqueFd socket;
    int port = 0;
    std::string received;
  };

  bool Watch(int fd) const;
  void AnswerDatagrams();
  void Accept();
  // False at the connection's end.
  bool AnswerStream(Connection* connection);
  std::string Answer(absl::string_view query, bool tcp, int port);

  UniqueFd datagrams_;
  UniqueFd stream_;
  const std::string host_name_;
  const Ask ask_;
  UniqueFd events_;  // an epoll(7) instance
  std::vector<Connection> connections_;
};

}  // namespace encapsulate

#endif  // ENCAPSULATE_MONITOR_NAME_SERVER_H_
