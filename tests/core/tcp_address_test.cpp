#include <gtest/gtest.h>

#include <string>

#include <steward/core/errors.hpp>
#include <steward/core/tcp_address.hpp>

namespace steward::detail::test {
namespace {

using core::parse_tcp;
using core::TcpAddress;

TEST(TcpAddress, IsAHostAndAPort) {
  for (const std::string text : {"tcp://127.0.0.1:0", "tcp://example.org:65535", "tcp://*:5000",
                                 "tcp://[::1]:80", "tcp://[fe80::1%eth0]:7", "tcp://a-b_c:1"}) {
    const auto address = parse_tcp(text);
    ASSERT_TRUE(address) << text;
    EXPECT_EQ(address->text(), text);
  }
  EXPECT_EQ(parse_tcp("tcp://[::1]:80")->host, "[::1]");
  EXPECT_EQ(parse_tcp("tcp://[::1]:80")->port, 80);
}

TEST(TcpAddress, OfAnotherKindIsNone) {
  EXPECT_FALSE(parse_tcp("ipc:///tmp/x/manager.sock"));
  EXPECT_FALSE(parse_tcp(""));
  EXPECT_FALSE(parse_tcp("127.0.0.1:80"));
}

TEST(TcpAddress, ThatIsMalformedIsSaidSo) {
  for (const std::string text :
       {"tcp://", "tcp://host", "tcp://host:", "tcp://:80", "tcp://host:65536", "tcp://host:-1",
        "tcp://host:80x", "tcp://ho st:80", "tcp://host/path:80", "tcp://::1:80", "tcp://[]:80",
        "tcp://host:80;tcp://b:81"}) {
    EXPECT_THROW(parse_tcp(text), BadCall) << text;
  }
}

TEST(TcpAddress, KnowsWhatOnlyItsOwnHostReaches) {
  for (const std::string host : {"127.0.0.1", "127.255.0.9", "localhost", "[::1]"}) {
    EXPECT_TRUE((TcpAddress{host, 1}.is_loopback())) << host;
  }
  for (const std::string host :
       {"0.0.0.0", "*", "128.0.0.1", "127.evil.example", "127.0.0.1.nip.io", "127.1", "[::]",
        "eth0", "127.0.0.256", "127.0.0.1."}) {
    EXPECT_FALSE((TcpAddress{host, 1}.is_loopback())) << host;
  }
  EXPECT_TRUE((TcpAddress{"*", 1}.is_wildcard()));
  EXPECT_TRUE((TcpAddress{"0.0.0.0", 1}.is_wildcard()));
  EXPECT_FALSE((TcpAddress{"10.0.0.1", 1}.is_wildcard()));
}

}  // namespace
}  // namespace steward::detail::test
