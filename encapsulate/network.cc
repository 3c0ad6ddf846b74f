#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "encapsulate/interfaces.h"
#include "encapsulate/resolver.h"
#include "encapsulate/setup.h"
#include "encapsulate/wire.h"

namespace encapsulate {
namespace {

// Port 53 takes a capability, so it is done here, and the caller, who answers,
// gets the socket.
void Listen(Setup& setup, int type) {
  const int fd = setup.Check(
      socket(AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), Step::kResolver);
  struct sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(kResolverPort);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setup.Check(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)),
              Step::kResolver);
  if (type == SOCK_STREAM) setup.Check(listen(fd, 16), Step::kResolver);
  static Message message;
  message.kind = MessageKind::kResolver;
  message.number = type;
  if (!SendDescriptor(setup.control(), message, fd)) _exit(1);
  close(fd);
}

}  // namespace

void SetUpNetwork(Setup& setup) {
  if (setup.plan().network == Network::kHost) return;
  const InterfaceFailure failure =
      SetUpInterfaces(setup.plan().network == Network::kLoopback);
  if (failure.error != 0) {
    setup.Fail(failure.verifying ? Step::kVerifyNetwork : Step::kLoopback, -1,
               failure.error, failure.name);
  }
  setup.Done(Step::kLoopback);
  if (setup.plan().resolver) {
    Listen(setup, SOCK_DGRAM);
    Listen(setup, SOCK_STREAM);
    setup.Done(Step::kResolver);
  }
}

}  // namespace encapsulate
