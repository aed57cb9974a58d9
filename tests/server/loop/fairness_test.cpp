// What one client asks for, be it ever so much, costs that client time, and the others nothing.
#include <steward/tests/server/loop/loop_test.hpp>

namespace steward::detail::test {
namespace {

using core::kManagerObject;

class Fairness : public LoopTest {
 protected:
  // Frames arrive in the order in which they were sent, all of them at once.
  void start(core::Limits limits = {}) {
    network = server::LocalNetwork::make();
    server::ServerOptions options;
    options.limits = limits;
    options.clock = [this] {
      return tick == core::Duration{} ? std::chrono::steady_clock::now() : time += tick;
    };
    options.note = [this](std::string_view text) { notes.emplace_back(text); };
    server = std::make_unique<server::Server>(nullptr, network->listen(),
                                              server::builtin_classes(), std::move(options));
  }
  BareClient connect() {
    BareClient client(std::make_unique<LocalWire>(*network), pump());
    client.hello();
    return client;
  }
  // The same call again and again in one frame; the number of the last.
  static core::Seq send_many(BareClient& client, int count, core::ObjectId object,
                             std::string_view method) {
    std::vector<std::string> calls(static_cast<std::size_t>(count));
    const std::string none = arguments();
    for (std::string& bytes : calls) {
      core::append_call(bytes, {client.next_seq++, 1, std::nullopt, object, method, none, false});
    }
    client.send(core::encode_calls(1, {calls.begin(), calls.end()}));
    return client.next_seq - 1;
  }

  std::shared_ptr<server::LocalNetwork> network;
  core::Time time = std::chrono::steady_clock::now() + 1h;
  core::Duration tick{};  // if any, as much passes whenever somebody asks
};

TEST_F(Fairness, AMessageOfManyCallsIsServedInParts) {
  start();
  BareClient heavy = connect();
  BareClient light = connect();
  const core::ObjectId list = light.create("list");
  const core::Seq last = send_many(heavy, 65'536, kManagerObject, "stat");
  const core::Seq size = light.post(list, "size", arguments());
  server->step(0ms);
  EXPECT_EQ(light.answer(size).result.integer(), 0);
  const auto done = [&] {
    while (const auto frame = heavy.wire().receive()) {
      for (const core::Reply& reply : core::decode_replies(core::open_envelope(*frame))) {
        if (reply.seq == last) return true;
      }
    }
    return false;
  };
  EXPECT_FALSE(done()) << "it was served at once";
  for (int i = 0; i < 10; ++i) {
    const core::Seq next = light.post(list, "size", arguments());
    server->step(0ms);
    const auto frame = light.wire().receive();
    ASSERT_TRUE(frame) << "each pass serves both";
    EXPECT_EQ(core::decode_replies(core::open_envelope(*frame)).at(0).seq, next);
  }
  EXPECT_TRUE(eventually(done));
}

TEST_F(Fairness, BesideALongBacklogEverybodyElseGetsInInOnePass) {
  start();
  BareClient heavy = connect();
  std::vector<BareClient> light;
  for (int i = 0; i < 50; ++i) light.push_back(connect());
  const core::ObjectId list = heavy.create("list", "l");
  for (BareClient& each : light) each.create("list", "l");
  for (int i = 0; i < 4; ++i) send_many(heavy, 65'536, kManagerObject, "stat");
  for (int i = 0; i < 5; ++i) server->step(0ms);
  tick = 20us;
  for (int round = 0; round < 3; ++round) {
    for (BareClient& each : light) each.post(list, "size", arguments());
    server->step(0ms);
    for (BareClient& each : light) EXPECT_TRUE(each.wire().receive());
  }
}

TEST_F(Fairness, TheOrderOfCallsIsKeptInAndBehindALongMessage) {
  start();
  BareClient client = connect();
  const core::ObjectId list = client.create("list");
  std::vector<std::string> calls(5'000);
  for (std::size_t i = 0; i < calls.size(); ++i) {
    const std::string item = arguments(static_cast<std::int64_t>(i));
    core::append_call(calls[i],
                      {client.next_seq++, 1, std::nullopt, list, "append", item, false});
  }
  client.send(core::encode_calls(1, {calls.begin(), calls.end()}));
  const core::Seq behind = client.post(list, "append", arguments(5'000));
  EXPECT_EQ(client.answer(behind).code, core::ErrorCode::ok);
  const Value all = client.get(list, "copy");
  ASSERT_EQ(all.list().size(), 5'001U);
  for (std::size_t i = 0; i < all.list().size(); ++i) {
    ASSERT_EQ(all.list()[i].integer(), static_cast<std::int64_t>(i));
  }
}

TEST_F(Fairness, TheLastCallOfAMalformedMessageEndsTheSessionAndNobodyElses) {
  start();
  BareClient bad = connect();
  BareClient good = connect();
  const core::ObjectId list = good.create("list", "l");
  std::vector<std::string> calls(1'000);
  const std::string item = arguments(1);
  for (std::string& bytes : calls) {
    core::append_call(bytes, {bad.next_seq++, 1, std::nullopt, list, "append", item, false});
  }
  calls.back() = "\xc1";
  bad.send(core::encode_calls(1, {calls.begin(), calls.end()}));
  ASSERT_TRUE(eventually([&] { return server->core().number_of_sessions() == 1; }));
  EXPECT_EQ(good.get(list, "size").integer(), 0) << "nothing of it was done";
}

TEST_F(Fairness, LargeResultsInOnePassCloseNobodysSession) {
  core::Limits limits;
  limits.unsent_bytes = 2U << 20U;
  start(limits);
  BareClient client = connect();
  const core::ObjectId list = client.create("list");
  client.get(list, "append", Value(std::string(1'500'000, 'x')));
  std::vector<core::Seq> copies;
  for (int i = 0; i < 50; ++i) copies.push_back(client.post(list, "copy", arguments()));
  for (const core::Seq copy : copies) {
    EXPECT_EQ(client.answer(copy).result.list().at(0).string().size(), 1'500'000U);
  }
  EXPECT_EQ(server->incidents().slow, 0U);
}

}  // namespace
}  // namespace steward::detail::test
