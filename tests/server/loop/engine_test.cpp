// The gate: what an engine has not kept never leaves.
#include <steward/engine/engine.hpp>
#include <steward/tests/server/loop/loop_test.hpp>

namespace steward::detail::test {
namespace {

// Keeps what it is given, but for the append that is to fail.
class FailingEngine final : public engine::Engine {
 public:
  bool keeps() const override { return true; }
  void append(std::span<const std::string> inputs) override {
    ++appends;
    if (fails) {
      fails = false;
      throw SystemError(EIO, "append");
    }
    kept += inputs.size();
  }
  bool fails = false;
  int appends = 0;
  std::size_t kept = 0;
};

TEST(FailedEngine, ReleasesNothingEver) {
  FailingEngine engine;
  const auto network = server::LocalNetwork::make();
  server::ServerOptions options;
  options.engine = &engine;
  auto server = std::make_unique<server::Server>(nullptr, network->listen(),
                                                 server::builtin_classes(), std::move(options));
  BareClient client(std::make_unique<LocalWire>(*network), [&] { server->step(2ms); });
  client.hello();
  const core::ObjectId list = client.create("list");
  EXPECT_GT(engine.kept, 0U);

  const int before = engine.appends;
  engine.fails = true;
  client.post(list, "append", arguments(1));
  EXPECT_THROW(server->step(0ms), SystemError);
  server.reset();
  EXPECT_EQ(engine.appends, before + 1) << "a failed append is not tried again";
  EXPECT_FALSE(client.wire().receive()) << "a word got out";
}

}  // namespace
}  // namespace steward::detail::test
