// SPDX-License-Identifier: Apache-2.0

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "encapsulate/child/message.h"
#include "encapsulate/child/setup.h"
#include "encapsulate/kernel/interfaces.h"
#include "encapsulate/kernel/text.h"
#include "encapsulate/plan/name_server_address.h"

namespace encapsulate {
namespace {

// A setting of the network namespace of whoever opens the file.
void WriteSetting(Setup& setup, const char* path, const char* text) {
  const int file = open(path, O_WRONLY | O_CLOEXEC);
  const auto size = static_cast<ssize_t>(strlen(text));
  if (file < 0 || write(file, text, static_cast<size_t>(size)) != size) {
    setup.Fail(Step::kNetworkSettings, -1, errno, path);
  }
  close(file);
}

// Done here, before anybody else may take port 53, for the caller, who answers.
void Listen(Setup& setup, int type) {
  const int fd =
      setup.Check(socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
                  Step::kNameServer);
  struct sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(kNameServerPort);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setup.Check(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
              Step::kNameServer);
  if (type == SOCK_STREAM) setup.Check(listen(fd, 16), Step::kNameServer);
  Message message;
  message.kind = MessageKind::kNameServer;
  message.number = type;
  if (!SendDescriptor(setup.control(), message, fd)) _exit(1);
  close(fd);
}

// Whoever asks a question is found by these tables. The sandbox's own /proc has
// them for init, whatever the host's hides.
void SendTables(Setup& setup) {
  const int fd =
      setup.Check(open("/proc/self/net", O_PATH | O_DIRECTORY | O_CLOEXEC),
                  Step::kNameServer);
  Message message;
  message.kind = MessageKind::kNetwork;
  if (!SendDescriptor(setup.control(), message, fd)) _exit(1);
  close(fd);
}

}  // namespace

void ChangeNetworkSettings(Setup& setup) {
  if (setup.plan().network == Network::kHost) return;
  // A network of one's own has no ports that others trust.
  WriteSetting(setup, "/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");
  // ICMP echo by datagram sockets, of both versions of IP. Only ids that are
  // mapped can be named, so it is for the group that everybody inside is in.
  const Text<32> range(getegid(), " ", getegid());
  WriteSetting(setup, "/proc/sys/net/ipv4/ping_group_range", range.c_str());
  setup.Done(Step::kNetworkSettings);
}

void SetUpNetwork(Setup& setup) {
  if (setup.plan().network == Network::kHost) return;
  const InterfaceFailure failure =
      SetUpInterfaces(setup.plan().network == Network::kLoopback);
  if (failure.error != 0) {
    setup.Fail(failure.verifying ? Step::kVerifyNetwork : Step::kLoopback, -1,
               failure.error, failure.name);
  }
  setup.Done(Step::kLoopback);
  if (setup.plan().name_server) {
    Listen(setup, SOCK_DGRAM);
    Listen(setup, SOCK_STREAM);
    SendTables(setup);
    setup.Done(Step::kNameServer);
  }
}

}  // namespace encapsulate
