// SPDX-License-Identifier: Apache-2.0

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "encapsulate/inspect/thread_view.h"
#include "encapsulate/monitor/decode.h"

namespace encapsulate {
namespace {

// The kernel looks at no more messages of a sendmmsg (UIO_MAXIOV).
constexpr size_t kMostMessages = 1024;

// Of a msghdr.
struct MessageName {
  uint64_t address = 0;
  uint32_t size = 0;
};

// mmsghdr, a msghdr and a length, padded, in either calling convention.
constexpr size_t kCompatMessage = 32;
static_assert(sizeof(mmsghdr) == 64, "the kernel's");

// The name of each of `count` messages, `each` bytes apart, as far as they can
// be read.
std::vector<MessageName> ReadMessageNames(const ThreadView& thread,
                                          uint64_t address, size_t count,
                                          bool compat, size_t each) {
  constexpr size_t kNeeded =
      offsetof(msghdr, msg_namelen) + sizeof(msghdr::msg_namelen);
  const size_t needed = compat ? 2 * sizeof(uint32_t) : kNeeded;
  std::vector<char> bytes((count - 1) * each + needed);
  const size_t got = thread.Read(address, bytes.data(), bytes.size());
  std::vector<MessageName> names;
  for (size_t at = 0; at + needed <= got; at += each) {
    MessageName name;
    if (compat) {
      uint32_t words[2];
      memcpy(words, &bytes[at], sizeof(words));
      name = {words[0], words[1]};
    } else {
      memcpy(&name.address, &bytes[at + offsetof(msghdr, msg_name)],
             sizeof(name.address));
      memcpy(&name.size, &bytes[at + offsetof(msghdr, msg_namelen)],
             sizeof(name.size));
    }
    names.push_back(name);
  }
  return names;
}

// False if there is none.
bool AddAddress(const ThreadView& thread, const MessageName& name, bool sends,
                std::vector<SocketAddress>* addresses) {
  if (name.address == 0) return false;
  sockaddr_storage storage = {};
  const size_t wanted = std::min<size_t>(name.size, sizeof(storage));
  const size_t got = thread.Read(name.address, &storage, wanted);
  if (got < sizeof(sa_family_t)) return false;
  // IPv4's datagram sockets take the one for the other (ip(7)).
  if (sends && storage.ss_family == AF_UNSPEC && got >= sizeof(sockaddr_in)) {
    storage.ss_family = AF_INET;
  }
  addresses->push_back(ParseAddress(&storage, got));
  return true;
}

}  // namespace

std::vector<SocketAddress> ReadAddresses(const ThreadView& thread,
                                         const SyscallArgs& call) {
  std::vector<SocketAddress> addresses;
  const Operand* const operands = call.watched->operands;
  const bool sends = call.watched->verb == CallVerb::kSend;
  for (size_t i = 0; operands[i] != Operand::kNone; ++i) {
    const uint64_t argument = call.arguments[i];
    if (operands[i] == Operand::kAddress) {
      AddAddress(thread, {argument, call.Unsigned(i + 1)}, sends, &addresses);
    } else if (operands[i] == Operand::kMessage ||
               operands[i] == Operand::kMessages) {
      const size_t each = call.compat ? kCompatMessage : sizeof(mmsghdr);
      const size_t count =
          operands[i] == Operand::kMessage
              ? 1
              : std::min<size_t>(call.Unsigned(i + 1), kMostMessages);
      if (count == 0) continue;
      const std::vector<MessageName> names =
          ReadMessageNames(thread, argument, count, call.compat, each);
      MessageName last;
      for (size_t message = 0; message < names.size(); ++message) {
        const MessageName& name = names[message];
        // Most name the same one.
        if (name.address != 0 && name.address == last.address &&
            name.size == last.size) {
          addresses.push_back(addresses.back());
        } else if (AddAddress(thread, name, sends, &addresses)) {
          last = name;
        } else {
          last = {};
          continue;
        }
        addresses.back().message = message;
      }
    }
  }
  return addresses;
}

}  // namespace encapsulate
