// The control socket: who gets in, and what those cost who do not.
#include <fcntl.h>

#include <steward/manager/server/descriptors.hpp>
#include <steward/tests/client/forked.hpp>
#include <steward/tests/server/loop/few_descriptors.hpp>
#include <steward/tests/server/loop/loop_test.hpp>

namespace steward::detail::test {
namespace {

class ControlSocket : public LoopTest {
 protected:
  // What the control socket says to these bytes and descriptors; nullopt: it hung up without a
  // word.
  std::optional<Entrance> connect_control(const std::string& bytes, const std::vector<int>& fds) {
    shm::UniqueFd control = connect_control_socket(directory());
    shm::send_with_fds(control.get(), bytes, fds);
    shm::Received received;
    EXPECT_TRUE(eventually([&] {
      received = shm::receive_with_fds(control.get(), 4096, shm::Wait::none);
      return !received.would_block;
    }));
    if (!received.message) return std::nullopt;
    Entrance entrance = read_entrance(std::move(control), *std::move(received.message));
    return entrance;
  }
  std::string refusal(const std::string& bytes, const std::vector<int>& fds) {
    const auto entrance = connect_control(bytes, fds);
    EXPECT_TRUE(entrance && entrance->ticket.empty());
    return entrance ? entrance->refusal : "";
  }
  Entrance enter() {
    auto entrance = connect_control(connect_request(), {shm::pidfd_of(::getpid()).get()});
    EXPECT_TRUE(entrance && !entrance->ticket.empty());
    return *std::move(entrance);
  }
  core::Envelope try_ticket(const std::string& ticket) {
    BareClient client(std::make_unique<ZmqWire>(address()), pump());
    core::Hello hello;
    hello.ticket = ticket;
    hello.nonce = client.nonce;
    client.send(core::encode(hello));
    return core::open_envelope(client.receive()).kind;
  }
  void in_child_with_few_descriptors(const std::function<void()>& body) {
    Forked child([&](int) {
      limit_descriptors(256);
      body();
      return HasFailure() ? 1 : 0;
    });
    EXPECT_EQ(child.join(), 0);
  }
  void expect_healthy() {
    BareClient good = client();
    EXPECT_EQ(good.get(good.create("list"), "size").integer(), 0);
  }
};

TEST_F(ControlSocket, GivesEachPeerAnotherTicket) {
  start();
  const Entrance a = enter();
  const Entrance b = enter();
  EXPECT_EQ(a.ticket.size(), core::kChallengeBytes);
  EXPECT_NE(a.ticket, b.ticket);
  EXPECT_EQ(server->peers_pending(), 2U);
  EXPECT_EQ(try_ticket(a.ticket), core::Envelope::welcome);
  EXPECT_EQ(try_ticket(b.ticket), core::Envelope::welcome);
  EXPECT_EQ(server->peers_pending(), 0U);
}

TEST_F(ControlSocket, WantsThePeersOwnPidfd) {
  start();
  const shm::UniqueFd parent = shm::pidfd_of(::getppid());
  const shm::UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(refusal(connect_request(), {parent.get()}),
            "the caller did not show its own pidfd");
  EXPECT_EQ(refusal(connect_request(), {null.get()}), "the caller did not show its own pidfd");
  expect_healthy();
}

TEST_F(ControlSocket, RefusesWhatIsNoConnectRequest) {
  start();
  const shm::UniqueFd self = shm::pidfd_of(::getpid());
  const std::string no_connect_request = "this is no request to a manager's control socket";
  EXPECT_EQ(refusal(connect_request(), {}), no_connect_request);
  EXPECT_EQ(refusal(connect_request(), {self.get(), self.get()}), no_connect_request);
  EXPECT_EQ(refusal(connect_request(), std::vector<int>(16, self.get())), no_connect_request);
  EXPECT_EQ(refusal("x", {self.get()}), no_connect_request);
  EXPECT_EQ(refusal(connect_request() + "x", {self.get()}), no_connect_request);
  EXPECT_EQ(refusal("\x92\x02\xa4" "door", {self.get()}), no_connect_request);
  // Longer than any connect request: not even answered.
  EXPECT_FALSE(connect_control(std::string(5000, 'x'), {self.get()}));
  EXPECT_EQ(server->peers_pending(), 0U);
  expect_healthy();
}

TEST_F(ControlSocket, MoreTalkBeforeTheHelloLosesTheTicket) {
  start();
  const Entrance entrance = enter();
  shm::send_with_fds(entrance.control.get(), connect_request());
  EXPECT_TRUE(eventually([&] { return server->peers_pending() == 0; }));
  EXPECT_EQ(try_ticket(entrance.ticket), core::Envelope::unknown_session);
}

TEST_F(ControlSocket, APeerThatLeavesLosesItsTicket) {
  start();
  Entrance entrance = enter();
  entrance.control.reset();
  EXPECT_TRUE(eventually([&] { return server->peers_pending() == 0; }));
  EXPECT_EQ(try_ticket(entrance.ticket), core::Envelope::unknown_session);
}

TEST_F(ControlSocket, TurnsAwayTheOldestAboveTheLimit) {
  core::Limits limits;
  limits.handshakes = 2;
  start(limits);
  const shm::UniqueFd silent = connect_control_socket(directory());
  ASSERT_TRUE(eventually([&] { return server->peers_pending() == 1; }));
  const Entrance a = enter();
  EXPECT_FALSE(is_closed(silent));  // at the limit
  const Entrance b = enter();
  EXPECT_TRUE(is_closed(silent));   // one past it
  EXPECT_EQ(server->peers_pending(), 2U);
  EXPECT_EQ(try_ticket(a.ticket), core::Envelope::welcome);
  EXPECT_EQ(try_ticket(b.ticket), core::Envelope::welcome);
}

TEST_F(ControlSocket, TurnsAwayWhoTakesTooLong) {
  core::Limits limits;
  limits.handshake_time = 3s;
  start(limits);
  const shm::UniqueFd silent = connect_control_socket(directory());
  const Entrance entrance = enter();
  skipped += 2s;
  step();
  EXPECT_EQ(server->peers_pending(), 2U);
  skipped += 2s;
  EXPECT_TRUE(eventually([&] { return is_closed(silent); }));
  EXPECT_EQ(server->peers_pending(), 0U);
  EXPECT_EQ(try_ticket(entrance.ticket), core::Envelope::unknown_session);
  expect_healthy();
}

TEST_F(ControlSocket, RefusesPeersWhenThereAreEnoughSessions) {
  core::Limits limits;
  limits.sessions = 2;
  start(limits);
  BareClient first = client();
  const Entrance in_time = enter();
  BareClient second = client();  // at the limit
  step();
  EXPECT_EQ(refusal(connect_request(), {shm::pidfd_of(::getpid()).get()}),
            "the manager has as many sessions as it may");
  // A ticket from before does not help.
  EXPECT_EQ(try_ticket(in_time.ticket), core::Envelope::unknown_session);
  EXPECT_EQ(server->incidents().refused, 1U);
  first.send(core::encode_bye());
  first.receive_kind(core::Envelope::bye);
  step();
  expect_healthy();
}

TEST_F(ControlSocket, LivesThroughALackOfDescriptors) {
  in_child_with_few_descriptors([this] {
    start();
    BareClient before = client();
    const core::ObjectId list = before.create("list");
    // Once before: a sanitizer that meets a type for the first time needs descriptors, too.
    before.get(list, "append", Value(-1));
    // All descriptors but one are taken: a peer's own end.
    const auto waiting = connect_control_socket(directory());
    std::vector<shm::UniqueFd> taken = take_all_descriptors();
    for (int i = 0; i < 10; ++i) before.get(list, "append", Value(i));
    taken.clear();
    skipped += 1s;  // the control socket has looked away for a while
    EXPECT_EQ(before.get(list, "size").integer(), 11);
    expect_healthy();
  });
}

TEST_F(ControlSocket, SaysThatDescriptorsRunOut) {
  in_child_with_few_descriptors([this] {
    start();
    const std::size_t limit = server::raise_descriptor_limit(0);
    std::vector<shm::UniqueFd> taken;
    const auto take_one = [&] { taken.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC)); };
    // A visit takes the next three: the peer's pidfd and socket, and last the server's socket.
    do {
      take_one();
    } while (static_cast<std::size_t>(taken.back().get()) + 4 + server::kReservedDescriptors <
             limit);
    enter();
    ASSERT_TRUE(eventually([&] { return server->peers_pending() == 0; }));
    take_one();
    EXPECT_EQ(refusal(connect_request(), {shm::pidfd_of(::getpid()).get()}),
              "the manager has no descriptors left");
    taken.clear();
    expect_healthy();
  });
}

}  // namespace
}  // namespace steward::detail::test
