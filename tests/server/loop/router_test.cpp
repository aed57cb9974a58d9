// Routes over tcp, below the loop: whose they are where descriptors and names are used again.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <filesystem>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include <gtest/gtest.h>

#include <steward/core/tcp_address.hpp>
#include <steward/manager/server/listener_router.hpp>
#include <steward/shm/unique_fd.hpp>
#include <steward/tests/server/loop/bare_client.hpp>

namespace steward::detail::test {
namespace {

using server::Sent;

std::string big_endian(std::size_t number, int bytes) {
  std::string text;
  while (bytes-- > 0) text += static_cast<char>(number >> (8 * bytes));
  return text;
}

// ZeroMQ's own protocol (ZMTP 3.0, its RFC 23): no socket of ZeroMQ takes one descriptor on each
// side and nothing else.
class BarePeer {
 public:
  BarePeer(int port, const std::string& name) {
    using namespace std::string_literals;
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const auto* name_of_it = reinterpret_cast<const sockaddr*>(&address);
    if (::connect(socket_.get(), name_of_it, sizeof address) != 0) {
      throw std::system_error(errno, std::generic_category(), "connect");
    }
    const std::string ready = "\x05READY\x0bSocket-Type\0\0\0\x06" "DEALER\x08Identity"s +
                              big_endian(name.size(), 4) + name;
    write("\xff\0\0\0\0\0\0\0\x01\x7f\x03\0NULL"s + std::string(48, '\0') + "\x06" +
          big_endian(ready.size(), 8) + ready);
  }
  void send(std::string_view frame) {
    write(std::string(1, '\0') + static_cast<char>(frame.size()) + std::string(frame));
  }
  // All that has come.
  const std::string& heard() {
    char bytes[256];
    ssize_t size = 0;
    while ((size = ::recv(socket_.get(), bytes, sizeof bytes, MSG_DONTWAIT)) > 0) {
      heard_.append(bytes, static_cast<std::size_t>(size));
    }
    closed_ = closed_ || size == 0 || errno == ECONNRESET;
    return heard_;
  }
  bool closed() {
    heard();
    return closed_;
  }

 private:
  void write(std::string_view bytes) {
    ASSERT_EQ(::send(socket_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }

  const shm::UniqueFd socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  std::string heard_;
  bool closed_ = false;
};

class RouterOverTcp : public testing::Test {
 protected:
  struct Heard {
    std::string route;
    std::string frame;
  };
  // nullopt: for now there is nothing.
  std::optional<Heard> receive() {
    Heard heard;
    if (!router.receive(heard.route, heard.frame)) return std::nullopt;
    return heard;
  }
  Heard next() {
    std::optional<Heard> heard;
    EXPECT_TRUE(eventually(poll_briefly, [&] { return (heard = receive()).has_value(); }));
    return heard.value_or(Heard{});
  }
  static std::ptrdiff_t descriptors() {
    return std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {});
  }
  std::unique_ptr<BarePeer> connect(const std::string& name) {
    auto peer = std::make_unique<BarePeer>(port, name);
    // The other side is at work on it.
    EXPECT_TRUE(eventually(poll_briefly, [&] { return peer->heard().size() > 64; }));
    return peer;
  }
  // Both sides have closed it, so that the next one has its descriptors.
  void end(std::unique_ptr<BarePeer>& peer) {
    peer.reset();
    EXPECT_TRUE(eventually(poll_briefly, [&] { return descriptors() == descriptors_at_first; }));
  }

  zmq::context_t context{1};
  server::Router router{context, *core::parse_tcp("tcp://127.0.0.1:0"), {},
                        std::make_shared<server::Notifier>(), std::nullopt};
  const int port = core::parse_tcp(router.endpoint())->port;
  const std::ptrdiff_t descriptors_at_first = descriptors();
};

TEST_F(RouterOverTcp, LastWordsOfOneAreNotTakenForThoseOfTheNextWithItsDescriptor) {
  auto before = connect("before");
  before->send("first");
  const std::string its_route = next().route;
  for (int i = 0; i < 3; ++i) before->send("last words");
  end(before);
  auto after = connect("after");
  after->send("hello");
  std::string route;
  // In turn.
  for (int i = 0; i < 4; ++i) {
    const Heard heard = next();
    if (heard.frame == "hello") {
      route = heard.route;
    } else {
      EXPECT_EQ(heard.route, its_route);
    }
  }
  EXPECT_NE(route, its_route);
  std::string reply = "welcome";
  EXPECT_EQ(router.send(route, reply), Sent::sent);
  EXPECT_TRUE(eventually(poll_briefly, [&] { return after->heard().ends_with("welcome"); }));
  reply = "welcome";
  EXPECT_EQ(router.send(its_route, reply), Sent::gone);
}

TEST_F(RouterOverTcp, NorAreThoseOfTheNextWithItsNameTakenForItsOwn) {
  auto victim = connect("name");
  victim->send("first");
  const std::string its_route = next().route;
  end(victim);
  EXPECT_FALSE(receive());  // its name is free now
  auto thief = connect("name");
  thief->send("unlock");
  end(thief);
  const Heard heard = next();
  EXPECT_EQ(heard.frame, "unlock");
  EXPECT_NE(heard.route, its_route);
}

TEST_F(RouterOverTcp, WhoHasALongerNameThanThereAreIsNotHeardAndCut) {
  auto longest = connect(std::string(255, 'n'));
  longest->send("hello");
  EXPECT_EQ(next().frame, "hello");
  auto longer = connect(std::string(256, 'n'));
  longer->send("hello");
  EXPECT_TRUE(eventually(poll_briefly, [&] {
    EXPECT_FALSE(receive());
    return longer->closed();
  }));
  EXPECT_FALSE(longest->closed());
  EXPECT_EQ(router.cut_floods({}), 1U) << "is said";
}

}  // namespace
}  // namespace steward::detail::test
