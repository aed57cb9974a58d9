// Peers over tcp: what they say of themselves is worth nothing.
#include <steward/tests/server/loop/loop_test.hpp>

namespace steward::detail::test {
namespace {

using core::Envelope;

class Remote : public LoopTest {
 protected:
  void start(std::string key = {}, core::Limits limits = {}) {
    server::ServerOptions options;
    options.entrance.address = "tcp://127.0.0.1:0";
    options.entrance.key = std::move(key);
    options.limits = limits;
    options.clock = [this] { return now(); };
    options.note = [this](std::string_view text) { notes.emplace_back(text); };
    server = std::make_unique<server::Server>(server::builtin_classes(), std::move(options));
  }
  const std::string& tcp() const { return server->addresses().back(); }
  BareClient connect(const std::string& name = {}) {
    return {std::make_unique<ZmqWire>(tcp(), name), pump()};
  }
};

// ZeroMQ lets a peer have any name that nobody has just now.
TEST_F(Remote, WhoTakesTheNameOfAnotherThatHasGoneIsNotTakenForIt) {
  start();
  BareClient victim = connect("victim");
  victim.hello();
  const core::ObjectId lock = victim.create("lock", "l");
  victim.get(lock, "lock");
  const core::Seq pops = victim.post(victim.create("queue", "q"), "get", arguments());
  ASSERT_TRUE(eventually([&] { return server->core().number_parked() == 1; }));
  victim.reconnect(nullptr);  // it is gone, and its lease goes on

  // As soon as the name is free: until then ZeroMQ passes over whoever has it, too.
  BareClient thief = connect("victim");
  std::optional<std::string> said;
  ASSERT_TRUE(eventually([&] {
    thief.reconnect(std::make_unique<ZmqWire>(tcp(), "victim"));
    thief.send(core::encode_seqs(Envelope::cancel, {pops}));
    for (int i = 0; i < 20 && !said; ++i) {
      step();
      said = thief.wire().receive();
    }
    return said.has_value();
  }));
  EXPECT_EQ(core::open_envelope(*said).kind, Envelope::unknown_connection);
  thief.send(core::encode_bye());
  thief.receive_kind(Envelope::unknown_connection);
  EXPECT_EQ(server->core().number_parked(), 1U);
  // What is said to the victim does not come to the thief either.
  BareClient other = LoopTest::client();
  other.get(other.create("queue", "q"), "put", Value("a secret"));
  for (int i = 0; i < 20; ++i) step();
  EXPECT_FALSE(thief.wire().receive());
  EXPECT_TRUE(other.get(other.create("lock", "l"), "locked").boolean());

  // And who comes back has it all.
  victim.reconnect(std::make_unique<ZmqWire>(tcp()));
  ASSERT_EQ(victim.resume(victim.secret, {pops}), Envelope::welcome);
  victim.send_call(pops, victim.create("queue", "q"), "get", arguments());
  EXPECT_EQ(victim.answer(pops).result.string(), "a secret");
}

TEST_F(Remote, ANameThatWasUsedForNonsenseIsGoodForTheNext) {
  start();
  {
    BareClient bad = connect("name");
    bad.send("\xc1");
    bad.receive_kind(Envelope::unknown_session);
  }
  std::optional<std::string> said;
  BareClient good = connect();
  ASSERT_TRUE(eventually([&] {
    good.reconnect(std::make_unique<ZmqWire>(tcp(), "name"));
    good.send(core::encode_renew());
    for (int i = 0; i < 20 && !said; ++i) {
      step();
      said = good.wire().receive();
    }
    return said.has_value();
  }));
  good.hello();
  EXPECT_EQ(good.get(good.create("list"), "size").integer(), 0);
}

TEST_F(Remote, WhoComesWithoutTheKeyIsCountedAndSaid) {
  start("a key that nobody guesses, of 40 letters");
  std::vector<BareClient> without;
  for (std::uint64_t i = 1; i <= 5; ++i) {
    without.push_back(connect());
    EXPECT_TRUE(eventually([&] { return server->incidents().handshakes >= i; }));
  }
  ASSERT_EQ(notes.size(), 1U) << "they fill nobody's log";
  EXPECT_NE(notes[0].find("failed to get in over tcp"), std::string::npos) << notes[0];
}

}  // namespace
}  // namespace steward::detail::test
