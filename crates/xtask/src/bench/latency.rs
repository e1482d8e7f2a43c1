//! `cargo xtask bench latency`: from a notification sent to its row visible, beside a GET and a COPY
//! of one object by hand, in turn, in one Python process.

use std::fs;
use std::net::TcpListener;
use std::process::Stdio;

use anyhow::{Result, ensure};
use xtask::process::tied;
use xtask::venv::Venv;

use super::small_files::{PACKAGES, make};
use super::{Bench, built};

const ROUNDS: usize = 101;

const PYTHON: &str = "
import sys, json, time, statistics, urllib.request, boto3, psycopg
endpoint, url, listen, rounds = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
s3 = boto3.client('s3', endpoint_url=endpoint, region_name='us-east-1')
connection = psycopg.connect(url, autocommit=True)
def key(nth): return f'small/{nth:05}.csv'
def by_hand(nth):
    began = time.perf_counter()
    body = s3.get_object(Bucket='bench', Key=key(nth))['Body'].read()
    with connection.cursor() as cursor:
        with cursor.copy('COPY by_hand FROM STDIN CSV HEADER') as copy:
            copy.write(body)
    return time.perf_counter() - began
def notified(nth):
    head = s3.head_object(Bucket='bench', Key=key(nth))
    rows = connection.execute('SELECT count(*) FROM lineitem').fetchone()[0]
    record = {'eventVersion': '2.0', 'eventSource': 'minio:s3', 'eventName': 's3:ObjectCreated:Put',
      'eventTime': '2026-01-01T00:00:00.000Z', 's3': {'bucket': {'name': 'bench'}, 'object': {
      'key': key(nth), 'size': head['ContentLength'], 'eTag': head['ETag'].strip('\"'),
      'sequencer': f'{nth:016X}'}}}
    body = json.dumps({'EventName': 's3:ObjectCreated:Put', 'Key': 'bench/' + key(nth), 'Records': [record]})
    request = urllib.request.Request(f'http://{listen}/notifications', body.encode(),
      {'Content-Type': 'application/json', 'Authorization': 'Bearer latency'})
    began = time.perf_counter()
    urllib.request.urlopen(request).read()
    while connection.execute('SELECT count(*) FROM lineitem').fetchone()[0] == rows:
        if time.perf_counter() - began > 30: sys.exit('no row after 30 s')
        time.sleep(0.0005)
    return time.perf_counter() - began
connection.execute('CREATE TABLE by_hand (LIKE lineitem)')
for nth in range(60):
    try: urllib.request.urlopen(f'http://{listen}/healthz').read(); break
    except OSError: time.sleep(0.5)
times = [(by_hand(nth), notified(nth)) for nth in range(rounds)]
hand, told = (statistics.median(side) for side in zip(*times[1:]))
print(f'{hand * 1000:.1f} {told * 1000:.1f} {told / hand:.2f}')
";

pub(crate) fn bench() -> Result<()> {
    let bench = Bench::start()?;
    let store = bench.store(&[&make(&bench)?])?;
    let url = bench.migrated()?;
    let configuration = bench.configure(&url, Some(&store), 2)?;
    let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let mut text = fs::read_to_string(&configuration)?;
    text.push_str(&format!(
        "[http]\nlisten = \"{listen}\"\n[[source]]\nkind = \"webhook\"\ntoken = \"latency\"\n"
    ));
    fs::write(&configuration, text)?;
    let mut service = tied(built("arrivage"))
        .args(["run", "--config"])
        .arg(&configuration)
        .envs(store.environment())
        .stderr(Stdio::null())
        .spawn()?;
    let python = Venv::prepare_with("bench-worker-venv", PACKAGES)?.python();
    let output = tied(python)
        .args(["-c", PYTHON, &store.endpoint, &url])
        .args([listen.to_string(), ROUNDS.to_string()])
        .envs(store.environment())
        .output()?;
    service.kill()?;
    service.wait()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let words: Vec<&str> = said.split_whitespace().collect();
    ensure!(words.len() == 3, "it says {said:?}");
    println!(
        "one object of twenty rows, medians of {}: GET and COPY by hand {} ms; notification to rows \
         {} ms: {} times as long",
        ROUNDS - 1,
        words[0],
        words[1],
        words[2]
    );
    Ok(())
}
