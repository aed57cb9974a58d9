// What the README shows beside Python, line by line, as one program.
#include <chrono>
#include <iostream>
#include <mutex>
#include <string>

#include <steward/steward.hpp>

using namespace steward;
using namespace std::chrono_literals;

void f(List<int> xs, int n) { xs.append(n); }
int cube(int x) { return x * x * x; }
int add(int a, int b) { return a + b; }
void done(int sum) { std::cout << sum << ' ' << std::flush; }

int main() {
  Manager m;
  auto xs = m.list<int>({1, 2});
  auto d = m.dict<std::string, int>({{"a", 1}});

  auto anything = m.list();
  anything.append("text");
  anything.append(Value(1.5));
  std::cout << anything << ' ' << anything.at(1).as<double>() << '\n';

  xs += {7};
  std::cout << xs[-1] << ' ' << Value(xs.slice(1, 3)) << '\n';
  for (int x : xs) std::cout << x << ' ';
  std::cout << xs << ' ' << repr(xs) << '\n';

  d["a"] += 1;
  d.update_with("a", cube);
  auto rows = m.list<Dict<std::string, int>>({d});
  rows[0]->set("x", 1);
  std::cout << d << '\n';

  auto q = m.queue<int>(8);
  for (int x : {1, 2, 3}) q.put(x);
  std::cout << q.get() << ' ' << *q.try_get() << ' ' << *q.get_for(2s) << '\n';

  auto lock = m.lock();
  {
    std::scoped_lock hold(lock);
    std::cout << std::boolalpha << lock.locked() << '\n';
  }
  if (lock.acquire(2s)) lock.release();
  if (lock.try_lock_for(2s)) lock.unlock();

  Process p(f, xs, 5);
  p.start();
  if (!p.join(2s)) p.kill();
  p.join();
  std::cout << p.is_alive() << ' ' << *p.exitcode() << ' ' << xs << '\n';

  auto jobs = m.list<int>(named("jobs"));
  std::string text = jobs.handle().str();
  open<List<int>>(text).append(1);
  std::cout << m.list<int>(named("jobs")) << '\n';
  m.remove("jobs");

  {
    Pool pool(4);
    std::cout << Value(pool.map(cube, xs)) << '\n';
    std::cout << Value(pool.starmap(add, {{1, 2}, {3, 4}})) << '\n';
    auto r = pool.apply_async(add, 2, 3).then(done);
    if (r.wait_for(2s)) std::cout << r.ready() << ' ';
    std::cout << r.get() << '\n';
    int sum = 0;
    for (int y : pool.imap_unordered(cube, xs)) sum += y;
    std::cout << sum << '\n';
    pool.close();
    pool.join();
  }

  {
    auto [a, b] = pipe<int>();
    const int x = 4;
    a.send(x);
    std::cout << b.recv() << ' ';
    b.send(x);
    for (std::size_t i : wait({a, p, q, lock})) std::cout << i << ' ';
    std::string address = "tcp://127.0.0.1:0";
    Listener listener(address);
    address = listener.address();
    auto there = Connection<int>::connect(address);
    auto here = listener.accept<int>();
    there.send(5);
    std::cout << here.recv() << '\n';
  }

  xs.with_timeout(2s).append(1);
  std::cout << xs << '\n';
}
