//! Lists come in pages, in the order of keys.

use std::collections::BTreeSet;

use weft_proto::v1 as wire;

use crate::support::{Controller, delete, faults, subnet, vpc};

#[tokio::test]
async fn a_walk_meets_what_stays_exactly_once_while_others_come_and_go() {
    let cloud = Controller::start().await;
    for i in 0..40 {
        cloud.region(&format!("stay-{i:02}")).await;
        cloud.region(&format!("go-{i:02}")).await;
    }
    let mut seen = Vec::new();
    let mut request = wire::ListRequest {
        page_size: 7,
        ..Default::default()
    };
    for page in 0.. {
        let answer = cloud
            .regions()
            .list(request.clone())
            .await
            .unwrap()
            .into_inner();
        assert!(answer.regions.len() <= 7);
        seen.extend(answer.regions.into_iter().map(|region| region.region));
        if answer.next_page_token.is_empty() {
            break;
        }
        request.page_token = answer.next_page_token;
        cloud
            .regions()
            .delete(delete(&format!("go-{page:02}")))
            .await
            .unwrap();
        cloud
            .regions()
            .delete(delete(&format!("go-{:02}", 39 - page)))
            .await
            .unwrap();
        cloud.region(&format!("new-{page:02}")).await;
    }
    let unique: BTreeSet<_> = seen.iter().collect();
    assert_eq!(unique.len(), seen.len(), "nothing came twice");
    assert!(seen.is_sorted());
    let stayed = seen.iter().filter(|name| name.starts_with("stay-"));
    assert_eq!(stayed.count(), 40);
}

#[tokio::test]
async fn a_list_of_one_vpc_holds_nothing_of_another() {
    let cloud = Controller::start().await;
    let (one, first) = cloud.network().await;
    let request = wire::CreateVpcRequest {
        vpc: Some(vpc("10.0.0.0/16")),
        ..Default::default()
    };
    let two = cloud
        .vpcs()
        .create(request)
        .await
        .unwrap()
        .into_inner()
        .vpc
        .unwrap();
    for i in 0..5 {
        let request = wire::CreateSubnetRequest {
            subnet: Some(subnet(&two.id, &format!("10.0.{i}.0/24"))),
            ..Default::default()
        };
        cloud.subnets().create(request).await.unwrap();
    }
    let list = wire::ListRequest {
        vpc: one.id.clone(),
        ..Default::default()
    };
    let answer = cloud.subnets().list(list).await.unwrap().into_inner();
    assert_eq!(answer.subnets, [first]);

    let mut list = wire::ListRequest {
        vpc: two.id.clone(),
        page_size: 2,
        ..Default::default()
    };
    let mut sizes = Vec::new();
    loop {
        let answer = cloud
            .subnets()
            .list(list.clone())
            .await
            .unwrap()
            .into_inner();
        assert!(answer.subnets.iter().all(|subnet| subnet.vpc == two.id));
        sizes.push(answer.subnets.len());
        list.page_token = answer.next_page_token;
        if list.page_token.is_empty() {
            break;
        }
    }
    assert_eq!(sizes, [2, 2, 1]);
}

#[tokio::test]
async fn page_sizes_tokens_and_filters_that_make_no_sense_are_refused() {
    let cloud = Controller::start().await;
    let (vpc, _) = cloud.network().await;
    cloud.zone("here-b").await;
    let ask = |page_size, page_token: &str, vpc: &str| {
        let (page_token, vpc) = (page_token.to_owned(), vpc.to_owned());
        wire::ListRequest {
            page_size,
            page_token,
            vpc,
        }
    };
    let refused = cloud.zones().list(ask(1001, "", "")).await.unwrap_err();
    assert_eq!(faults(&refused), ["page_size"]);
    let refused = cloud.zones().list(ask(1, "made up", "")).await.unwrap_err();
    assert_eq!(faults(&refused), ["page_token"]);
    let refused = cloud.zones().list(ask(1, "", &vpc.id)).await.unwrap_err();
    assert_eq!(faults(&refused), ["vpc"]);
    let page = cloud
        .zones()
        .list(ask(1, "", ""))
        .await
        .unwrap()
        .into_inner();
    let refused = cloud
        .regions()
        .list(ask(1, &page.next_page_token, ""))
        .await
        .unwrap_err();
    assert_eq!(
        faults(&refused),
        ["page_token"],
        "the token of another list"
    );
    let missing = cloud
        .subnets()
        .list(ask(1, "", "vpc-00000000000000000"))
        .await;
    assert_eq!(missing.unwrap_err().code(), tonic::Code::NotFound);
}
