// Where the name server of a watched sandbox listens, see resolver.h.
#ifndef ENCAPSULATE_NAME_SERVER_ADDRESS_H_
#define ENCAPSULATE_NAME_SERVER_ADDRESS_H_

namespace encapsulate {

// What the sandbox's resolv.conf says.
inline constexpr char kResolverConfiguration[] = "nameserver 127.0.0.1\n";
inline constexpr int kResolverPort = 53;

}  // namespace encapsulate

#endif  // ENCAPSULATE_NAME_SERVER_ADDRESS_H_
